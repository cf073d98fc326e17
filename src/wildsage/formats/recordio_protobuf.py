"""Files of protobuf records as matrices: ``application/x-recordio-protobuf``.

Nearly every such file holds dense records of one shape, so that all frames have the same bytes but for the
numbers. The reader decodes one record, checks by whole-array comparison how many following frames repeat its
template, and takes their numbers as one strided view. Anything else is decoded record by record.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import protobuf, wire
from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import (
    FEATURES,
    FLOAT32,
    FLOAT64,
    KEY,
    LABEL,
    TENSOR_VALUES,
    VALUE,
    Record,
    Tensor,
)
from wildsage.formats.recordio import HEADER_SIZE, frame_record, read_frame, read_record
from wildsage.formats.sparse import SparseRows
from wildsage.formats.wire import LENGTH, Field, MalformedError

_DTYPES: Final[Mapping[int, np.dtype[Any]]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}
_WIDEST = 1 << 32
_FIRST_RUN = 64
"""Frames compared at once at first; doubled while the comparison succeeds."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive records.

    Attributes
    ----------
    features
        (n, d) float32, or sparse rows where any record gives keys.
    labels
        (n, m) float32; m is 0 for records without labels.
    """

    features: NDArray[np.float32] | SparseRows
    labels: NDArray[np.float32]


def read_rows(data: bytes | memoryview, source: str, block: int = 8192) -> Iterator[Rows]:
    """Yield the records of a buffer in runs of one kind (dense or sparse) and width, at most `block` rows each.

    Memory beyond the buffer (a memory map, for large files) is bounded by `block` rows.

    Raises
    ------
    FormatError
        With source and byte position: frames or messages that are malformed, records without the feature
        ``values``, sparse records without shape or with keys beyond it.
    """
    buffer = memoryview(data)
    position = 0
    reach = _FIRST_RUN
    while position < len(buffer):
        found = _dense_run(buffer, position, source, min(reach, block))
        if found is None:
            rows, position = _record_run(buffer, position, source, block)
            reach = _FIRST_RUN
        else:
            rows, position = found
            reach = reach * 2 if len(rows.labels) == reach else max(_FIRST_RUN, min(reach, block))
        yield rows


def write_dense(features: NDArray[Any], labels: NDArray[Any] | None = None) -> bytes:
    """Write a matrix, one record a row, as the SageMaker SDK's ``write_numpy_to_dense_tensor`` does.

    Parameters
    ----------
    features
        (n, d), float32 or float64.
    labels
        (n,) or (n, m), float32 or float64.
    """
    columns = [(FEATURES, "values", features)]
    if labels is not None:
        columns.append((LABEL, "values", labels))
    return _write(columns)


def write_predictions(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Write an answer: one record a row whose label map holds the columns, each (n,) or (n, m)."""
    return _write([(LABEL, name, values) for name, values in columns.items()])


def _write(columns: list[tuple[int, str, NDArray[Any]]]) -> bytes:
    """Encode the first row, repeat it, and put each row's numbers in their places."""
    rows = len(columns[0][2])
    if rows == 0:
        return b""
    matrices = [
        (number, name, values.reshape(rows, -1).astype(values.dtype.newbyteorder("<"), copy=False))
        for number, name, values in columns
    ]
    maps: dict[int, dict[str, Tensor]] = {FEATURES: {}, LABEL: {}}
    for number, name, matrix in matrices:
        maps[number][name] = Tensor(matrix[0])
    first = frame_record(protobuf.encode_record(Record(maps[FEATURES], maps[LABEL])))
    table = np.tile(np.frombuffer(first, np.uint8), (rows, 1))
    spans = iter(_spans(memoryview(first), HEADER_SIZE, HEADER_SIZE + _payload_size(first)) or ())
    for _, _, matrix in matrices:
        span = next(spans)
        table[:, span.begin : span.end] = np.ascontiguousarray(matrix).view(np.uint8)
    return table.tobytes()


def _payload_size(frame: bytes) -> int:
    whole = read_frame(memoryview(frame), 0, "")
    return whole.end - whole.begin


@dataclass(frozen=True, slots=True)
class _Span:
    """Where the numbers of one tensor stand in a frame."""

    number: int
    name: bytes
    begin: int
    end: int
    dtype: np.dtype[Any]


def _spans(data: memoryview, begin: int, end: int) -> list[_Span] | None:
    """Locate the tensors of a record that holds nothing but dense packed floats; None for any other record."""
    spans = []
    for entry in wire.fields(data, begin, end):
        if entry.number not in {FEATURES, LABEL} or entry.kind != LENGTH:
            return None
        parts = list(wire.fields(data, entry.begin, entry.end))
        if [part.number for part in parts] != [KEY, VALUE] or any(part.kind != LENGTH for part in parts):
            return None
        tensor = _only(data, parts[1])
        values = tensor and _only(data, tensor)
        if tensor is None or values is None or tensor.number not in _DTYPES or values.number != TENSOR_VALUES:
            return None
        dtype = _DTYPES[tensor.number]
        if (values.end - values.begin) % dtype.itemsize:
            return None
        name = bytes(data[parts[0].begin : parts[0].end])
        spans.append(_Span(entry.number, name, values.begin, values.end, dtype))
    return spans


def _only(data: memoryview, message: Field) -> Field | None:
    """Return the single length-delimited field of a message; None if it has another content."""
    inner = list(wire.fields(data, message.begin, message.end))
    return inner[0] if len(inner) == 1 and inner[0].kind == LENGTH else None


def _dense_run(buffer: memoryview, position: int, source: str, limit: int) -> tuple[Rows, int] | None:
    frame = read_frame(buffer, position, source)
    if frame.flag != 0:
        return None
    try:
        spans = _spans(buffer, frame.begin, frame.end)
    except MalformedError as error:
        raise FormatError(source, f"not a protobuf record: {error}", offset=position) from error
    if spans is None:
        return None
    features = [span for span in spans if span.number == FEATURES]
    labels = [span for span in spans if span.number == LABEL]
    if len(features) != 1 or features[0].name != b"values" or len(labels) > 1:
        return None
    stride = frame.next - position
    count = min((len(buffer) - position) // stride, limit)
    table = np.frombuffer(buffer, np.uint8, count * stride, position).reshape(count, stride)
    count = _repeats(table, position, spans)
    matrix = _numbers(table[:count], position, features[0])
    empty = np.zeros((count, 0), np.float32)
    rows = Rows(matrix, _numbers(table[:count], position, labels[0]) if labels else empty)
    return rows, position + count * stride


def _repeats(table: NDArray[np.uint8], position: int, spans: list[_Span]) -> int:
    """Count the leading frames that equal the first one outside the spans."""
    same = np.ones(len(table), bool)
    start = 0
    for span in sorted(spans, key=lambda span: span.begin):
        stop = span.begin - position
        same &= (table[:, start:stop] == table[0, start:stop]).all(axis=1)
        start = span.end - position
    # Padding is not compared: writers may leave anything there.
    return len(table) if same.all() else int(same.argmin())


def _numbers(table: NDArray[np.uint8], position: int, span: _Span) -> NDArray[np.float32]:
    cut = np.ascontiguousarray(table[:, span.begin - position : span.end - position])
    return cut.view(span.dtype).reshape(len(table), -1).astype(np.float32, copy=False)


def _record_run(buffer: memoryview, position: int, source: str, limit: int) -> tuple[Rows, int]:
    """Decode records one by one, as long as they are of the first one's kind and width."""
    tensors: list[Tensor] = []
    labels: list[NDArray[np.float32]] = []
    first: tuple[bool, int, int] | None = None
    while position < len(buffer) and len(tensors) < limit:
        payload, following = read_record(buffer, position, source)
        try:
            record = protobuf.decode_record(payload)
            tensor, label = _feature(record), _label(record)
        except MalformedError as error:
            raise FormatError(source, f"not a protobuf record: {error}", offset=position) from error
        kind = (tensor.keys is None, _width(tensor), label.size)
        if first is not None and kind != first:
            break
        first = kind
        tensors.append(tensor)
        labels.append(label)
        position = following
    matrix = np.stack(labels)
    if tensors[0].keys is None:
        return Rows(np.stack([tensor.values.astype(np.float32) for tensor in tensors]), matrix), position
    return Rows(_sparse(tensors), matrix), position


def _feature(record: Record) -> Tensor:
    tensor = record.features.get("values")
    if not isinstance(tensor, Tensor):
        names = ", ".join(sorted(record.features)) or "none"
        raise MalformedError(f"no numeric feature 'values' (its features: {names})")
    if tensor.keys is None:
        return tensor
    if not tensor.shape:
        raise MalformedError("a sparse tensor without shape")
    if tensor.keys.size != tensor.values.size:
        raise MalformedError(f"{tensor.keys.size} keys for {tensor.values.size} values")
    if _width(tensor) > _WIDEST:
        raise MalformedError(f"the shape {list(tensor.shape)} has more than {_WIDEST} elements")
    if tensor.keys.size and int(tensor.keys.max()) >= _width(tensor):
        raise MalformedError(f"key {int(tensor.keys.max())} is beyond the shape {list(tensor.shape)}")
    return tensor


def _width(tensor: Tensor) -> int:
    if tensor.keys is None:
        return tensor.values.size
    width = 1
    for extent in tensor.shape:
        width *= extent
    return width


def _label(record: Record) -> NDArray[np.float32]:
    value = record.label.get("values")
    return value.values.astype(np.float32) if isinstance(value, Tensor) else np.zeros(0, np.float32)


def _sparse(tensors: list[Tensor]) -> SparseRows:
    keys = [tensor.keys.astype(np.int64) for tensor in tensors if tensor.keys is not None]
    return SparseRows(
        np.concatenate([[0], np.cumsum([tensor.values.size for tensor in tensors])]).astype(np.int64),
        np.concatenate(keys),
        np.concatenate([tensor.values.astype(np.float32) for tensor in tensors]),
        _width(tensors[0]),
    )
