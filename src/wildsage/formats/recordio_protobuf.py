"""Files of protobuf records as matrices: ``application/x-recordio-protobuf``.

Nearly every such file holds dense records of one shape, so that all frames have the same bytes but for the
numbers. The reader locates the numbers of one record, checks by whole-array comparison how many following
frames repeat its template, and takes their numbers as one strided view. Sparse records, and dense ones that
differ in more than their numbers, are walked in step (`wildsage.formats.record_runs` for both). Anything else
is decoded record by record.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import protobuf, wire
from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import (
    FEATURES,
    FLOAT32,
    KEY,
    LABEL,
    TENSOR_KEYS,
    TENSOR_SHAPE,
    TENSOR_VALUES,
    VALUE,
    Record,
    Tensor,
)
from wildsage.formats.reading import Reading
from wildsage.formats.record_runs import read_alike
from wildsage.formats.recordio import Window, frame_record, read_record, read_windows
from wildsage.formats.recordio_frames import HEADER_SIZE
from wildsage.formats.rows import Rows as Rows  # noqa: PLC0414 - callers know it by this module
from wildsage.formats.rows import as_float32
from wildsage.formats.sparse import WIDEST, SparseRows
from wildsage.formats.wire import MalformedError

_FIRST_RUN = 64
"""Frames looked at together at first; doubled while they are alike."""
_WRITTEN_AT_ONCE = 1 << 18
"""Bytes of records that are put together at a time: they stay in the processor's cache meanwhile."""


def read_rows(
    data: bytes | memoryview | BinaryIO, source: str, reading: Reading | None = None, *, block: int = 8192
) -> Iterator[Rows]:
    """Yield records in runs of one kind (dense or sparse) and width, at most `block` rows each.

    Parameters
    ----------
    data
        Bytes or a memory map, or a file, which need not be seekable.

    Raises
    ------
    FormatError
        With source and byte position: frames or messages that are malformed, records without the feature
        ``values``, sparse records without shape or with keys beyond it.
    """
    del reading  # a record says all of itself
    reader = _Reader(source, block)
    for window in read_windows(data, source):
        yield from reader.rows(window)


def read_messages(data: bytes | memoryview | BinaryIO, source: str) -> Iterator[Record]:
    """Yield records one by one, with all that they hold: bytes, texts, other features than ``values``.

    Raises
    ------
    FormatError
        With source and byte position.
    """
    for offset, window, _ in read_windows(data, source):
        position = 0
        while position < len(window):
            payload, following = read_record(window, position, source, offset)
            yield _decode(payload, source, offset + position)
            position = following


def _decode(payload: bytes | memoryview, source: str, offset: int) -> Record:
    try:
        return protobuf.decode_record(payload)
    except MalformedError as error:
        raise FormatError(source, f"not a protobuf record: {error}", offset=offset) from error


class _Reader:
    """What is known of a file while its windows are read one after the other."""

    def __init__(self, source: str, block: int) -> None:
        self._source = source
        self._block = block
        self._first_run = min(_FIRST_RUN, block)
        self._reach = self._first_run

    def rows(self, window: Window) -> Iterator[Rows]:
        """Yield the records of a window in runs."""
        buffer, frames = window.buffer, window.frames
        begins = frames.begins - HEADER_SIZE
        position = number = 0
        while position < len(buffer):
            # Behind a record of several parts, or a malformed one, the frames are counted anew.
            number += int(np.searchsorted(begins[number:], position))
            run = frames.part(number, number + self._reach)
            rows = read_alike(buffer, run) if len(run.begins) and begins[number] == position else None
            if rows is None:
                rows, position = self._one_by_one(window, position)
            else:
                number += len(rows)
                position = int(begins[number]) if number < len(begins) else int(frames.ends[-1] + 3) & ~3
            # The last run of a window may be short without being different.
            if len(rows) >= self._reach:
                self._reach = min(self._reach * 2, self._block)
            elif position < len(buffer):
                self._reach = self._first_run
            yield rows

    def _one_by_one(self, window: Window, position: int) -> tuple[Rows, int]:
        """Decode records as long as they are of the first one's kind and width."""
        tensors: list[Tensor] = []
        labels: list[NDArray[np.float32]] = []
        first: tuple[bool, int, int] | None = None
        offset, buffer, _ = window
        while position < len(buffer) and len(tensors) < self._first_run:
            payload, following = read_record(buffer, position, self._source, offset)
            record = _decode(payload, self._source, offset + position)
            try:
                tensor = _feature(record)
            except MalformedError as error:
                raise FormatError(self._source, str(error), offset=offset + position) from error
            label = _label(record)
            kind = (tensor.keys is None, _width(tensor), label.size)
            if first is not None and kind != first:
                break
            first = kind
            tensors.append(tensor)
            labels.append(label)
            position = following
        matrix = np.stack(labels)
        if tensors[0].keys is None:
            return Rows(np.stack([as_float32(tensor.values) for tensor in tensors]), matrix), position
        return Rows(_sparse(tensors), matrix), position


def _feature(record: Record) -> Tensor:
    tensor = record.features.get("values")
    if not isinstance(tensor, Tensor):
        names = ", ".join(sorted(record.features)) or "none"
        raise MalformedError(f"no numeric feature 'values' (its features: {names})")
    if tensor.keys is None and (tensor.values.size or not tensor.shape):
        return tensor
    # Without a key and without a value it is the row of a sparse matrix in which nothing is given.
    keys = np.zeros(0, np.uint64) if tensor.keys is None else tensor.keys
    width = math.prod(tensor.shape)
    if not tensor.shape:
        raise MalformedError("a sparse tensor without shape")
    if keys.size != tensor.values.size:
        raise MalformedError(f"{keys.size} keys for {tensor.values.size} values")
    if width > WIDEST:
        raise MalformedError(f"the shape {list(tensor.shape)} has more than {WIDEST} elements")
    if keys.size and int(keys.max()) >= width:
        raise MalformedError(f"key {int(keys.max())} is beyond the shape {list(tensor.shape)}")
    return Tensor(tensor.values, keys, tensor.shape)


def _width(tensor: Tensor) -> int:
    return tensor.values.size if tensor.keys is None else math.prod(tensor.shape)


def _label(record: Record) -> NDArray[np.float32]:
    value = record.label.get("values")
    return as_float32(value.values) if isinstance(value, Tensor) else np.zeros(0, np.float32)


def _sparse(tensors: list[Tensor]) -> SparseRows:
    keys = [tensor.keys.astype(np.int64) for tensor in tensors if tensor.keys is not None]
    return SparseRows(
        np.concatenate([[0], np.cumsum([tensor.values.size for tensor in tensors])]).astype(np.int64),
        np.concatenate(keys),
        np.concatenate([as_float32(tensor.values) for tensor in tensors]),
        _width(tensors[0]),
    )


def write_rows(rows: Rows) -> bytes:
    """Write rows, one record each; weights and groups have no place in a record."""
    labels = rows.labels if rows.labels.shape[1] else None
    if isinstance(rows.features, SparseRows):
        return write_sparse(rows.features, labels)
    return write_dense(rows.features, labels)


def write_dense(features: NDArray[Any], labels: NDArray[Any] | None = None) -> bytes:
    """Write a matrix, one record a row, as the SageMaker SDK's ``write_numpy_to_dense_tensor`` does.

    Parameters
    ----------
    features
        (n, d): float32, float64, or whole numbers of 32 bits whatever their type.
    labels
        (n,) or (n, m) of the same types.

    Raises
    ------
    ValueError
        For other types, and whole numbers of more than 32 bits.
    """
    columns = [(FEATURES, "values", features)]
    if labels is not None:
        columns.append((LABEL, "values", labels))
    return _write(columns)


def write_sparse(rows: SparseRows, labels: NDArray[Any] | None = None) -> bytes:
    """Write sparse rows, one record each, as the SDK's ``write_spmatrix_to_sparse_tensor`` does.

    Parameters
    ----------
    labels
        (n,) or (n, m): float32, float64, or whole numbers of 32 bits.
    """
    packed, lengths = wire.pack_varints(rows.columns)
    places = np.concatenate([[0], np.cumsum(lengths)])[rows.starts].tolist()
    values = rows.values.astype("<f4", copy=False).tobytes()
    starts = rows.starts.tolist()
    shape = wire.encode_field(TENSOR_SHAPE, wire.encode_varint(rows.width))
    tails = _entries(LABEL, "values", labels) if labels is not None else [b""] * len(rows)
    frames = []
    for row, tail in enumerate(tails):
        content = values[4 * starts[row] : 4 * starts[row + 1]]
        keys = packed[places[row] : places[row + 1]]
        tensor = _field(TENSOR_VALUES, content) + _field(TENSOR_KEYS, keys) + shape
        frames.append(frame_record(_entry(FEATURES, "values", FLOAT32, tensor) + tail))
    return b"".join(frames)


def write_predictions(
    columns: Mapping[str, NDArray[Any]], identities: Sequence[bytes] | None = None
) -> bytes:
    """Write an answer: one record a row whose label map holds the columns, each (n,) or (n, m).

    Parameters
    ----------
    identities
        (n,): fields that each record has besides, encoded, as `record_identities.read_identities` gives them.
    """
    return _write([(LABEL, name, values) for name, values in columns.items()], identities)


def _write(columns: list[tuple[int, str, NDArray[Any]]], tails: Sequence[bytes] | None = None) -> bytes:
    if len(columns[0][2]) == 0:
        return b""
    if tails or any(values.dtype.kind != "f" or values.size == 0 for _, _, values in columns):
        parts: list[Sequence[bytes]] = [_entries(number, name, values) for number, name, values in columns]
        parts += [tails] if tails else []
        return b"".join([frame_record(b"".join(entries)) for entries in zip(*parts, strict=True)])
    return _write_alike(columns)


def _write_alike(columns: list[tuple[int, str, NDArray[Any]]]) -> bytes:
    """Encode the first row, repeat it, and put each row's numbers in their places."""
    rows = len(columns[0][2])
    matrices = [_matrix(values) for _, _, values in columns]
    first = b""
    places = []
    for (number, name, _), matrix in zip(columns, matrices, strict=True):
        content = matrix[0].tobytes()
        # The numbers are the last bytes of their entry.
        first += _entry(number, name, protobuf.tensor_number(matrix.dtype), _field(TENSOR_VALUES, content))
        places.append((HEADER_SIZE + len(first) - len(content), HEADER_SIZE + len(first)))
    template = np.frombuffer(frame_record(first), np.uint8)
    # The bytes of a BytesIO can be filled where they are, and are given away without a copy.
    written = io.BytesIO(bytes(rows * len(template)))
    with written.getbuffer() as room:
        _fill(np.frombuffer(room, np.uint8).reshape(rows, -1), template, places, matrices)
    return written.getvalue()


def _fill(
    table: NDArray[np.uint8],
    template: NDArray[np.uint8],
    places: list[tuple[int, int]],
    matrices: list[NDArray[Any]],
) -> None:
    """Fill (rows, bytes of a record) with the template, and the numbers of each matrix at its place."""
    step = max(1, _WRITTEN_AT_ONCE // len(template))
    for start in range(0, len(table), step):
        rows = slice(start, start + step)
        table[rows] = template
        for (begin, end), matrix in zip(places, matrices, strict=True):
            table[rows, begin:end] = np.ascontiguousarray(matrix[rows]).view(np.uint8)


def _entries(number: int, name: str, values: NDArray[Any]) -> list[bytes]:
    """Encode a map's entry for each row."""
    matrix = _matrix(values)
    kind = protobuf.tensor_number(matrix.dtype)
    if kind == protobuf.INT32:
        data, lengths = wire.pack_varints(matrix.reshape(-1))
        ends = np.cumsum(lengths.reshape(matrix.shape).sum(axis=1)).tolist()
    else:
        data = matrix.tobytes()
        ends = [matrix.itemsize * matrix.shape[1] * (row + 1) for row in range(len(matrix))]
    contents = [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return [_entry(number, name, kind, _field(TENSOR_VALUES, content)) for content in contents]


def _matrix(values: NDArray[Any]) -> NDArray[Any]:
    """Bring numbers to (n, m) and to a type that a record has."""
    matrix = values.reshape(len(values), -1) if values.size else values.reshape(len(values), 0)
    if matrix.dtype.kind in "iub":
        whole = matrix.astype(np.int32)
        if not np.array_equal(whole, matrix):
            raise ValueError("a record holds whole numbers of 32 bits; these are larger")
        return whole
    return matrix.astype(matrix.dtype.newbyteorder("<"), copy=False)


def _entry(number: int, name: str, kind: int, tensor: bytes) -> bytes:
    value = wire.encode_field(VALUE, wire.encode_field(kind, tensor))
    return wire.encode_field(number, wire.encode_field(KEY, name.encode()) + value)


def _field(number: int, content: bytes) -> bytes:
    # A field of no numbers is left out, as the protobuf library does.
    return wire.encode_field(number, content) if content else b""
