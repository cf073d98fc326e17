"""Numbered SQL files, one folder per database."""
