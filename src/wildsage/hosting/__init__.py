"""The life of one model container: start, ping, call."""
