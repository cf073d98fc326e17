"""Arrays to and from the bytes of a request: what framework containers do where a script does not.

numpy comes with the framework's environment; it is imported when it is first used, because this runtime
must also start where there is none.
"""

import csv
import importlib
import io
import json
from typing import Any

from wildsage.formats.content_types import CSV, JSON, media_type

NPY = "application/x-npy"
TEXT_TYPES = frozenset({JSON, CSV})


class UnsupportedFormatError(Exception):
    """There is no codec for a content type."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to serialize the "
            "response. For more information, see the SageMaker Python SDK README."
        )


def decode(content: bytes | str, content_type: str) -> Any:
    """Turn a request into an array.

    Raises
    ------
    UnsupportedFormatError
        If the type is none of JSON, CSV and NPY.
    """
    numpy = importlib.import_module("numpy")
    kind = media_type(content_type)
    if kind == NPY:
        data = content.encode("latin-1") if isinstance(content, str) else content
        # Pickles are refused: whoever may call an endpoint may not run code in it.
        return numpy.load(io.BytesIO(data), allow_pickle=False)
    text = content.decode() if isinstance(content, bytes) else content
    if kind == JSON:
        return numpy.array(json.loads(text))
    if kind == CSV:
        return _numbers(numpy.array(list(csv.reader(io.StringIO(text), strict=True))).squeeze())
    raise UnsupportedFormatError(content_type)


def encode(value: Any, content_type: str) -> bytes:
    """Turn a prediction into a response.

    Raises
    ------
    UnsupportedFormatError
        If the type is none of JSON, CSV and NPY.
    """
    kind = media_type(content_type)
    if kind == JSON:
        return json.dumps(value, default=_plain).encode()
    numpy = importlib.import_module("numpy")
    if kind == NPY:
        buffer = io.BytesIO()
        numpy.save(buffer, value)
        return buffer.getvalue()
    if kind == CSV:
        array = numpy.array(value)
        rows = array.reshape(-1, 1) if array.ndim < 2 else array
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()
    raise UnsupportedFormatError(content_type)


def _numbers(array: Any) -> Any:
    """Make numbers of text where all of it is numbers."""
    try:
        return array.astype("float64")
    except ValueError:
        return array


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a prediction of the type {type(value).__name__} cannot be written as JSON")
