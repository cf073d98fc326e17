"""Runs of protobuf records that are laid out alike, read as arrays."""

import math

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import protobuf, wire
from wildsage.formats.record_layout import Located, Tensors, locate
from wildsage.formats.recordio import Frames
from wildsage.formats.recordio_frames import HEADER_SIZE, WHOLE
from wildsage.formats.rows import Rows, as_float32
from wildsage.formats.sparse import WIDEST, SparseRows
from wildsage.formats.wire import MalformedError

_FEW = 4
"""Equal frames that are worth a run of their own."""


def read_alike(buffer: memoryview, frames: Frames) -> Rows | None:
    """Read the leading records that are laid out like the first one; None if that has a layout of its own."""
    whole = frames.flags == WHOLE
    frames = frames.part(0, len(whole) if whole.all() else int(whole.argmin()))
    if len(frames.begins) == 0:
        return None
    first = locate(buffer, frames.begins[:1], frames.ends[:1])
    if first is None:
        return None
    repeated = _repeats(buffer, frames, first)
    if repeated is not None:
        return repeated
    found = locate(buffer, frames.begins, frames.ends)
    try:
        return _assemble(buffer, found) if found else None
    except MalformedError:
        return None  # Read one by one, the record at fault is found.


def _repeats(buffer: memoryview, frames: Frames, first: Located) -> Rows | None:
    """Read the leading frames that equal the first one but for the numbers; None if they are too few to gain."""
    feature, label = first.feature, first.label
    tensors = [feature, label] if label else [feature]
    if any(tensor.number == protobuf.INT32 or tensor.keys.lengths[0] for tensor in tensors):
        return None
    if feature.values.lengths[0] == 0:
        return None
    start = int(frames.begins[0]) - HEADER_SIZE
    stride = (int(frames.ends[0]) - start + 3) & ~3
    even = (frames.ends - frames.begins == frames.ends[0] - frames.begins[0]) & (
        frames.begins == frames.begins[0] + stride * np.arange(len(frames.begins))
    )
    count = len(even) if even.all() else int(even.argmin())
    table = np.frombuffer(buffer, np.uint8, count * stride, start).reshape(count, stride)
    same = np.ones(count, bool)
    position = 0
    for tensor in tensors:
        begin, end = int(tensor.values.begins[0]) - start, int(tensor.values.ends[0]) - start
        same &= (table[:, position:begin] == table[0, position:begin]).all(axis=1)
        position = end
    # Padding is not compared: writers may leave anything there.
    end = int(frames.ends[0]) - start
    same &= (table[:, position:end] == table[0, position:end]).all(axis=1)
    count = count if same.all() else int(same.argmin())
    if count < min(len(frames.begins), _FEW):
        return None
    empty = np.zeros((count, 0), np.float32)
    return Rows(
        _strided(table[:count], start, feature), _strided(table[:count], start, label) if label else empty
    )


def _strided(table: NDArray[np.uint8], start: int, tensor: Tensors) -> NDArray[np.float32]:
    begin, end = int(tensor.values.begins[0]) - start, int(tensor.values.ends[0]) - start
    cut = table[:, begin:end].copy()
    return as_float32(cut.view(tensor.dtype).reshape(len(table), -1))


def _assemble(buffer: memoryview, found: Located) -> Rows | None:
    """Read the leading records of the first one's kind and width."""
    feature, label = found.feature, found.label
    alike = np.ones(found.count, bool)
    given = feature.keys.lengths > 0
    sparse = given | ((feature.values.lengths == 0) & (feature.shape.lengths > 0))
    alike &= sparse == sparse[0]
    if sparse[0]:
        alike &= _same_bytes(buffer, feature)
    elif feature.number != protobuf.INT32:
        alike &= feature.values.lengths == feature.values.lengths[0]
    if label is not None:
        alike &= (label.keys.lengths == 0) & (label.shape.lengths == label.shape.lengths[0])
        if label.number != protobuf.INT32:
            alike &= label.values.lengths == label.values.lengths[0]
    count = found.count if alike.all() else int(alike.argmin())
    if count == 0:
        return None
    labels = _dense(buffer, label[:count]) if label is not None else np.zeros((count, 0), np.float32)
    if labels is None:
        return None
    if not sparse[0]:
        matrix = _dense(buffer, feature[:count])
        return None if matrix is None else Rows(matrix, labels)
    matrix_rows = _sparse_rows(buffer, feature[:count])
    return None if matrix_rows is None else Rows(matrix_rows, labels)


def _same_bytes(buffer: memoryview, feature: Tensors) -> NDArray[np.bool_]:
    """Tell which records have the first one's shape."""
    spans = feature.shape
    same: NDArray[np.bool_] = spans.lengths == spans.lengths[0]
    first = bytes(buffer[int(spans.begins[0]) : int(spans.ends[0])])
    raw = np.frombuffer(buffer, np.uint8)
    for place, byte in enumerate(first):
        same &= raw[np.minimum(spans.begins + place, len(raw) - 1)] == byte
    return same


def _dense(buffer: memoryview, tensor: Tensors) -> NDArray[np.float32] | None:
    """Read values as a matrix; None where records have different counts."""
    numbers, counts = tensor.numbers(buffer)
    if (counts != counts[0]).any():
        return None
    return numbers.reshape(len(counts), int(counts[0]))


def _sparse_rows(buffer: memoryview, tensor: Tensors) -> SparseRows | None:
    """Read sparse rows; None where one breaks a rule."""
    shape = tensor.shape
    extents = wire.unpack_varints(buffer[int(shape.begins[0]) : int(shape.ends[0])])
    width = math.prod(extents.tolist())
    values, counts = tensor.numbers(buffer)
    keys, key_counts = wire.unpack_runs(tensor.keys.joined(buffer), tensor.keys.lengths)
    if not extents.size or width > WIDEST or not np.array_equal(counts, key_counts):
        return None
    if keys.size and int(keys.max()) >= width:
        return None
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return SparseRows(starts, keys.astype(np.int64), values, width)
