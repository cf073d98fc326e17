"""A module of the user's own."""

GREETING = "hello from the archive"
