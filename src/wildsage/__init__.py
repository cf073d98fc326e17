"""Wildsage: an open, self-hosted platform compatible with the Amazon SageMaker API."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("wildsage")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"
