"""Keeping house: what takes the space, what may go, what was put on this machine."""
