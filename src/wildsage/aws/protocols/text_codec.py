"""Scalars as text: headers, query strings, path labels, XML elements and forms."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from wildsage.aws.model import Shape
from wildsage.aws.protocols import timestamps
from wildsage.aws.protocols.base import MismatchError

Parse = Callable[[str], Any]
Write = Callable[[Any], str]

_INTEGER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_BITS = {"integer": 32, "short": 16, "byte": 8, "long": 64}
# Commas separate the elements of a list in a header, unless they stand in quotes or within a date.
_ELEMENTS = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')


def parser(shape: Shape) -> Parse:
    """Return a function from text to the scalar; it raises `MismatchError`."""
    if shape.traits.get("jsonvalue") and shape.location == "header":
        return _parse_json_header
    if shape.kind in _BITS:
        return _integer_parser(_BITS[shape.kind])
    return _PARSERS.get(shape.kind, str)


def writer(shape: Shape, timestamp_format: str) -> Write:
    """Return a function from a scalar to its text; it raises TypeError.

    Parameters
    ----------
    timestamp_format
        Where neither the shape nor its use names one: it depends on the place of the text.
    """
    if shape.traits.get("jsonvalue") and shape.location == "header":
        return lambda value: base64.b64encode(json.dumps(value).encode()).decode()
    if shape.kind == "timestamp":
        form = shape.traits.get("timestampFormat", timestamp_format)
        return lambda value: timestamps.to_text(value, form)
    return _WRITERS.get(shape.kind, _write_string)


def split_list(text: str) -> list[str]:
    """Split a header into the elements of a list; quoted ones lose their quotes."""
    elements = [found[1].strip() for found in _ELEMENTS.finditer(text) if found[0]]
    return [_unquoted(element) for element in elements if element]


def _unquoted(element: str) -> str:
    if len(element) > 1 and element[0] == element[-1] == '"':
        return re.sub(r"\\(.)", r"\1", element[1:-1])
    return element


def join_list(elements: list[str]) -> str:
    """Join elements into one header; an element with a comma or a quote is quoted."""
    return ",".join(_quoted(element) for element in elements)


def _quoted(element: str) -> str:
    if "," in element or '"' in element:
        return '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return element


def _integer_parser(bits: int) -> Parse:
    bound = 1 << (bits - 1)

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not -bound <= int(text) < bound:
            raise MismatchError(f"{text[:64]!r} is no integer of {bits} bits")
        return int(text)

    return parse


def _parse_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise MismatchError(f"{text[:64]!r} is neither true nor false")
    return text.lower() == "true"


def _parse_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise MismatchError(f"{text[:64]!r} is no number")
    return number


def _parse_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MismatchError("the value is no base64 text") from None


def _parse_json_header(text: str) -> Any:
    try:
        return json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise MismatchError("the value is no JSON document in base64") from None


_PARSERS: Mapping[str, Parse] = {
    "timestamp": timestamps.parse_text,
    "boolean": _parse_boolean,
    "float": _parse_float,
    "double": _parse_float,
    "blob": _parse_blob,
}


def _write_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no string")
    return value


def _write_integer(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return str(value)


def _write_float(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if math.isfinite(value):
        return str(value)
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _write_boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no boolean")
    return "true" if value else "false"


def _write_blob(value: bytes) -> str:
    return base64.b64encode(value).decode()


_WRITERS: Mapping[str, Write] = {
    "integer": _write_integer,
    "long": _write_integer,
    "short": _write_integer,
    "byte": _write_integer,
    "boolean": _write_boolean,
    "float": _write_float,
    "double": _write_float,
    "blob": _write_blob,
}
