"""Codecs: bytes to arrays and back. The core needs numpy only."""
