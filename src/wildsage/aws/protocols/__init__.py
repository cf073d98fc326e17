"""One file per wire protocol: bytes to a request, a response to bytes."""
