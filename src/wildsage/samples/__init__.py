"""What `wildsage seed` makes for the public sample buckets."""
