"""Bytes to arrays."""

import importlib
from typing import Any

load_codecs = importlib.import_module("wildsage_codecs").load_codecs


def decode(obj: Any, content_type: str) -> Any:
    """Decode JSON, CSV or NPY."""
    return load_codecs().decode(obj, content_type)
