"""JSON and JSON Lines requests and answers of the built-in algorithms.

A request holds ``{"instances": [...]}``, or one instance a line. An instance is
``{"features": [..]}``, ``{"data": {"features": {"values": [..]}}}`` or, sparse,
``{"data": {"features": {"keys": [..], "shape": [d], "values": [..]}}}``; forms may be mixed, and a bare list
under ``data.features`` is short for its values.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, excerpt

_WIDEST = 1 << 24


def parse_instances(body: bytes, source: str = "request body") -> NDArray[np.float32]:
    """Read a JSON request: (n, d).

    Raises
    ------
    FormatError
        If the text is no JSON or no list of instances of one width.
    """
    document = _load(body, source)
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
        raise FormatError(source, 'expected a JSON object {"instances": [...]}')
    return _matrix(document["instances"], source)


def parse_json_lines(body: bytes, source: str = "request body") -> NDArray[np.float32]:
    """Read a JSON Lines request, one instance a line: (n, d).

    Raises
    ------
    FormatError
        As `parse_instances`, with the line where one is no JSON.
    """
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    return _matrix([_load(line, source, number) for number, line in lines], source)


def encode_predictions(rows: Sequence[dict[str, Any]], key: str = "predictions") -> bytes:
    """Write a JSON answer: ``{"predictions": [{...}, ...]}``."""
    return json.dumps({key: rows}).encode()


def encode_json_lines(rows: Sequence[Any]) -> bytes:
    """Write a JSON Lines answer: one value a line, the last line ended too."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _load(text: bytes, source: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise FormatError(source, "not in UTF-8", offset=error.start, line=line) from error
    except json.JSONDecodeError as error:
        raise FormatError(source, f"not JSON: {error.msg}", offset=error.pos, line=line) from error
    except (RecursionError, ValueError) as error:
        raise FormatError(source, f"JSON that cannot be read: {error}", line=line) from error


def _matrix(instances: list[Any], source: str) -> NDArray[np.float32]:
    if not instances:
        raise FormatError(source, "there is no instance")
    rows = [_values(instance, source, number) for number, instance in enumerate(instances)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        different = next(number for number, row in enumerate(rows) if len(row) != len(rows[0]))
        raise FormatError(
            source, f"instance {different} has {len(rows[different])} features, instance 0 has {len(rows[0])}"
        )
    try:
        matrix = np.array(rows, np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatError(source, f"features that are no numbers: {error}") from error
    if matrix.ndim != 2:
        raise FormatError(source, "features are nested lists; each instance holds one list of numbers")
    return matrix


def _values(instance: Any, source: str, number: int) -> Sequence[float]:
    found = instance
    if isinstance(found, dict):
        data = found.get("data")
        found = data.get("features") if isinstance(data, dict) else found.get("features")
    if isinstance(found, dict):
        if "keys" in found:
            return _spread(found, source, number)
        found = found.get("values")
    if isinstance(found, list) and all(type(value) in {int, float} for value in found):
        return found
    raise FormatError(
        source, f'instance {number} is {excerpt(json.dumps(instance))}; expected {{"features": [numbers]}}'
    )


def _spread(tensor: dict[str, Any], source: str, number: int) -> Sequence[float]:
    """Lay a sparse instance out."""
    keys, values, shape = tensor.get("keys"), tensor.get("values"), tensor.get("shape")
    whole = (int,)
    if not (_numbers(keys, whole) and _numbers(values, (int, float)) and _numbers(shape, whole) and shape):
        raise FormatError(source, f"instance {number}: a sparse tensor has the lists keys, shape and values")
    width = 1
    for extent in shape or ():
        width *= extent
    if len(keys or ()) != len(values or ()):
        raise FormatError(source, f"instance {number}: {len(keys or ())} keys for {len(values or ())} values")
    if not 0 < width <= _WIDEST or any(not 0 <= key < width for key in keys or ()):
        raise FormatError(source, f"instance {number}: keys must lie within the shape {shape}")
    row = [0.0] * width
    for key, value in zip(keys or (), values or (), strict=True):
        row[key] = value
    return row


def _numbers(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(type(item) in types for item in value)
