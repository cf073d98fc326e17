"""The AWS wire: one visible list of steps from bytes to a handler and back."""
