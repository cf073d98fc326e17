"""The array container of MXNet (``mx.nd.save``): what several built-in algorithms write as their model.

Layout, little endian: u64 0x112, u64 0, u64 count; per array u32 0xF993FAC9, i32 storage type (0 dense),
u32 dimensions, i64 per dimension, i32 device type (1 CPU), i32 device id, i32 element type, the elements; then
u64 count of names, each u64 length and bytes. Without names a reader gets a list.

Row-sparse arrays (storage type 1) are read, too: behind the storage type comes the shape of the rows that are given,
behind the element type the type and shape of their numbers; the numbers follow the elements.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError

_LIST_MAGIC = 0x112
_ARRAY_MAGIC = 0xF993FAC9
_DENSE, _ROW_SPARSE = 0, 1
_MOST_DIMENSIONS = 32
_LARGEST_RATIO = 64
"""How many times the file an array may be of which only some rows are given."""
_TYPES: Final = tuple(np.dtype(name) for name in ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8"))
"""Element types by their number in the file."""


def write_ndarrays(arrays: Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]]) -> bytes:
    """Serialize a list of arrays, or named arrays.

    Raises
    ------
    ValueError
        If an array's element type has no number in the format, or the array has no dimension.
    """
    names = list(arrays) if isinstance(arrays, Mapping) else []
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    parts = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(values))]
    for value in values:
        element = value.dtype.newbyteorder("<")
        if element not in _TYPES or value.ndim == 0:
            raise ValueError(f"an array of {value.dtype} and shape {value.shape} cannot be stored")
        parts.append(struct.pack(f"<IiI{value.ndim}q", _ARRAY_MAGIC, 0, value.ndim, *value.shape))
        parts.append(struct.pack("<iii", 1, 0, _TYPES.index(element)))
        parts.append(np.ascontiguousarray(value, element).tobytes())
    parts.append(struct.pack("<Q", len(names)))
    for name in names:
        encoded = name.encode()
        parts.append(struct.pack("<Q", len(encoded)) + encoded)
    return b"".join(parts)


def read_ndarrays(data: bytes, source: str = "NDArray file") -> tuple[list[NDArray[Any]], list[str]]:
    """Read all arrays and their names (none: the file holds a plain list).

    Raises
    ------
    FormatError
        If the bytes are no such file. Nothing larger than the file is ever allocated, but for rows that are left out:
        with them an array has at most 64 times its size.
    """
    reader = _Reader(data, source)
    magic, reserved, count = reader.take("<QQQ")
    if magic != _LIST_MAGIC or reserved != 0:
        raise FormatError(source, f"0x{magic:X} is not the magic number 0x112 of an NDArray file", offset=0)
    arrays = [_read_array(reader) for _ in range(reader.plausible(count))]
    (name_count,) = reader.take("<Q")
    names = [reader.text() for _ in range(reader.plausible(name_count))]
    if names and len(names) != len(arrays):
        raise FormatError(source, f"{len(names)} names for {len(arrays)} arrays", offset=reader.position)
    return arrays, names


def _read_array(reader: "_Reader") -> NDArray[Any]:
    start = reader.position
    magic, storage = reader.take("<Ii")
    if magic != _ARRAY_MAGIC or storage not in {_DENSE, _ROW_SPARSE}:
        raise FormatError(reader.source, "not a dense or row-sparse array of MXNet 1.x", offset=start)
    given = _read_shape(reader) if storage == _ROW_SPARSE else None
    shape = _read_shape(reader)
    _, _, number = reader.take("<iii")
    if given is None:
        return _read_elements(reader, number, shape)
    (number_of_rows,) = reader.take("<i")
    counted = _read_shape(reader)
    values = _read_elements(reader, number, given)
    rows = _read_elements(reader, number_of_rows, counted)
    if (
        len(shape) != len(given)
        or counted != given[:1]
        or shape[1:] != given[1:]
        or not _within(rows, shape[0])
    ):
        raise FormatError(reader.source, f"rows of shape {given} for an array of {shape}", offset=start)
    if math.prod(shape) * values.itemsize > _LARGEST_RATIO * len(reader.data):
        raise FormatError(reader.source, f"{len(rows)} rows are given of an array of {shape}", offset=start)
    dense = np.zeros(shape, values.dtype)
    dense[rows.astype(np.int64)] = values
    return dense


def _read_shape(reader: "_Reader") -> tuple[int, ...]:
    start = reader.position
    (dimensions,) = reader.take("<I")
    if not 0 < dimensions <= _MOST_DIMENSIONS:
        raise FormatError(reader.source, f"an array of {dimensions} dimensions", offset=start)
    return reader.take(f"<{dimensions}q")


def _read_elements(reader: "_Reader", number: int, shape: tuple[int, ...]) -> NDArray[Any]:
    if not 0 <= number < len(_TYPES) or any(not 0 <= size <= len(reader.data) for size in shape):
        raise FormatError(reader.source, f"shape {shape} of element type {number}", offset=reader.position)
    size = _TYPES[number].itemsize * math.prod(shape)
    return np.frombuffer(reader.bytes(size), _TYPES[number]).reshape(shape).copy()


def _within(rows: NDArray[Any], count: int) -> bool:
    return rows.ndim == 1 and bool(np.all((rows >= 0) & (rows < count)))


class _Reader:
    """A cursor that never reads past the end."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self.position = 0

    def bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.position:
            raise FormatError(
                self.source, f"the file ends where {size} bytes should follow", offset=self.position
            )
        self.position += size
        return self.data[self.position - size : self.position]

    def take(self, format: str) -> tuple[int, ...]:
        return struct.unpack(format, self.bytes(struct.calcsize(format)))

    def text(self) -> str:
        start = self.position
        (length,) = self.take("<Q")
        try:
            return self.bytes(length).decode()
        except UnicodeDecodeError as error:
            raise FormatError(self.source, "a name that is not UTF-8", offset=start) from error

    def plausible(self, count: int) -> int:
        """Refuse a count of items that the rest of the file cannot hold (each takes 8 bytes or more)."""
        if count > (len(self.data) - self.position) // 8:
            raise FormatError(
                self.source, f"{count} items announced, but the file is too short", offset=self.position
            )
        return count
