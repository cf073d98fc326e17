"""From an image URI to what is run for it."""
