"""The built-in algorithms beside their open peers: a module for each, found by its name."""
