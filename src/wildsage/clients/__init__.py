"""What brings unmodified AWS clients to this server."""
