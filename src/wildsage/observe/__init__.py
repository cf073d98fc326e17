"""What a server says of itself: its log, its health, its metrics."""
