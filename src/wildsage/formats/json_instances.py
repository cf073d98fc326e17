"""JSON requests and answers of the built-in algorithms: ``application/json``.

A request holds ``{"instances": [...]}``. An instance is ``{"features": [..]}``,
``{"data": {"features": {"values": [..]}}}`` or, sparse,
``{"data": {"features": {"keys": [..], "shape": [d], "values": [..]}}}``; forms may be mixed, a bare list under
``data.features`` is short for its values, and what else an instance says is left to the algorithm.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.json_text import Place, load
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, as_float32
from wildsage.formats.sparse import WIDEST, SparseRows
from wildsage.formats.streams import read_whole

LARGEST = 256 << 20
"""Bytes. A document is read whole; more is better sent as JSON Lines."""


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield a request's instances in runs of one kind (dense or sparse) and width.

    Raises
    ------
    FormatError
        If the text is no JSON or holds no list of instances; with the row, if an instance has none of the forms.
    """
    del reading  # an instance says all of itself
    document = load(read_whole(file, source, LARGEST), source, {})
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise FormatError(source, f'{_shown(document)} is no JSON object {{"instances": [...]}}')
    if not instances:
        raise FormatError(source, "there is no instance")
    yield from instance_rows((({"row": number}, one) for number, one in enumerate(instances, 1)), source)


def write_rows(rows: Rows) -> bytes:
    """Write a request; labels, weights and groups have no place in it."""
    return json.dumps({"instances": list(instances_of(rows))}).encode()


def encode_predictions(rows: Sequence[dict[str, Any]], key: str = "predictions") -> bytes:
    """Write a JSON answer: ``{"predictions": [{...}, ...]}``."""
    return json.dumps({key: rows}).encode()


def instance_rows(instances: Iterable[tuple[Place, Any]], source: str) -> Iterator[Rows]:
    """Yield instances, which have been parsed, in runs of one kind and width.

    Raises
    ------
    FormatError
        With its place, if an instance has none of the forms.
    """
    run: list[_Instance] = []
    for place, instance in instances:
        found = _instance(instance, source, place)
        if run and found.kind != run[0].kind:
            yield _rows(run)
            run = []
        run.append(found)
    if run:
        yield _rows(run)


def instances_of(rows: Rows) -> Iterator[dict[str, Any]]:
    """Yield rows as instances, shortest form first."""
    features = rows.features
    if isinstance(features, np.ndarray):
        yield from ({"features": row} for row in features.tolist())
        return
    for begin, end in zip(features.starts[:-1], features.starts[1:], strict=True):
        keys, values = features.columns[begin:end].tolist(), features.values[begin:end].tolist()
        yield {"data": {"features": {"keys": keys, "shape": [features.width], "values": values}}}


class _Instance:
    """One row: its values, and where it is sparse their keys and the width."""

    def __init__(
        self, values: NDArray[np.float32], keys: NDArray[np.int64] | None = None, width: int = 0
    ) -> None:
        self.values = values
        self.keys = keys
        self.kind = (keys is None, len(values) if keys is None else width)


def _rows(run: list[_Instance]) -> Rows:
    labels = np.zeros((len(run), 0), np.float32)
    keys = [one.keys for one in run if one.keys is not None]
    if not keys:
        return Rows(np.stack([one.values for one in run]), labels)
    starts = np.concatenate([[0], np.cumsum([len(one.values) for one in run])]).astype(np.int64)
    values = np.concatenate([one.values for one in run])
    return Rows(SparseRows(starts, np.concatenate(keys), values, run[0].kind[1]), labels)


def _instance(instance: Any, source: str, place: Place) -> _Instance:
    found = instance
    if isinstance(found, dict):
        data = found.get("data")
        found = data.get("features") if isinstance(data, dict) else found.get("features")
    if isinstance(found, dict):
        if "keys" in found:
            return _sparse(found, source, place)
        found = found.get("values")
    if not _numbers(found, (int, float)):
        raise FormatError(source, f'{_shown(instance)} is not {{"features": [numbers]}}', **place)
    return _Instance(_float32(found, source, place))


def _sparse(tensor: dict[str, Any], source: str, place: Place) -> _Instance:
    keys: list[int] = tensor.get("keys", [])
    values: list[float] = tensor.get("values", [])
    shape: list[int] = tensor.get("shape", [])
    whole = (int,)
    if not (_numbers(keys, whole) and _numbers(values, (int, float)) and _numbers(shape, whole) and shape):
        raise FormatError(
            source, f"{_shown(tensor)}: a sparse tensor has the lists keys, shape and values", **place
        )
    width = math.prod(shape)
    if len(keys) != len(values):
        raise FormatError(source, f"{len(keys)} keys for {len(values)} values", **place)
    if not 0 < width <= WIDEST:
        raise FormatError(
            source, f"the shape {excerpt(str(shape))} is not of 1 to {WIDEST} elements", **place
        )
    beyond = next((key for key in keys if not 0 <= key < width), None)
    if beyond is not None:
        raise FormatError(source, f"key {excerpt(str(beyond))} is beyond the shape {shape}", **place)
    return _Instance(_float32(values, source, place), np.array(keys, np.int64), width)


def _float32(values: list[float], source: str, place: Place) -> NDArray[np.float32]:
    try:
        return as_float32(values)
    except OverflowError as error:
        raise FormatError(source, f"a number that is too large: {error}", **place) from error


def _numbers(value: Any, types: tuple[type, ...]) -> bool:
    # A boolean is an int to isinstance, and no number here.
    return isinstance(value, list) and all(type(item) in types for item in value)


def _shown(value: Any) -> str:
    return excerpt(json.dumps(value))
