"""Arrays to bytes."""

import importlib
from typing import Any

load_codecs = importlib.import_module("wildsage_codecs").load_codecs


def encode(array_like: Any, content_type: str) -> Any:
    """Encode; text for JSON and CSV, bytes for NPY."""
    codecs = load_codecs()
    data = codecs.encode(array_like, content_type)
    return data if codecs.media_type(content_type) == codecs.NPY else data.decode()
