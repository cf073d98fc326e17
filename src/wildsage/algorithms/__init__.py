"""The built-in algorithms, one folder each."""
