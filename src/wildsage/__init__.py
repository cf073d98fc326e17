"""Wildsage: an open, self-hosted platform compatible with the Amazon SageMaker API."""

__version__ = "0.2.0"
