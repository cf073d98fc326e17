"""The part of protobuf's wire format that records need, on numpy."""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class MalformedError(ValueError):
    """Bytes that are no protobuf message. The caller knows where they stand."""


class Field(NamedTuple):
    """One field: number, wire type, and the positions of its content (of the number itself for varints)."""

    number: int
    kind: int
    begin: int
    end: int


def read_varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """Decode one varint: its value and the position behind it."""
    value = 0
    for count in range(_LONGEST_VARINT):
        if position >= end:
            raise MalformedError("a number is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise MalformedError(f"a number of more than {_LONGEST_VARINT} bytes")


def fields(data: memoryview, begin: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message in ``data[begin:end]`` without copying."""
    position = begin
    while position < end:
        tag, position = read_varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise MalformedError("field number 0")
        if kind == VARINT:
            _, after = read_varint(data, position, end)
        elif kind == LENGTH:
            size, position = read_varint(data, position, end)
            after = position + size
        elif kind in {FIXED32, FIXED64}:
            after = position + (4 if kind == FIXED32 else 8)
        else:
            raise MalformedError(f"wire type {kind} of field {number}")
        if after > end:
            raise MalformedError(f"field {number} is cut off")
        yield Field(number, kind, position, after)
        position = after


def unpack_varints(data: memoryview | bytes) -> NDArray[np.uint64]:
    """Decode a packed run of varints."""
    return _decode_varints(np.frombuffer(data, np.uint8))[0]


def unpack_runs(data: bytes, lengths: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Decode packed runs of varints that stand behind each other.

    Parameters
    ----------
    lengths
        (n,): bytes of each run.

    Returns
    -------
    All numbers, and (n,) how many of them each run has.
    """
    raw = np.frombuffer(data, np.uint8)
    numbers, ends = _decode_varints(raw)
    bounds = np.cumsum(lengths)
    # A run that ends inside a number would take bytes of the next one.
    if (raw[bounds[bounds > 0] - 1] >= 0x80).any():
        raise MalformedError("a packed number is cut off")
    return numbers, np.diff(np.searchsorted(ends, bounds, "right"), prepend=0)


def _decode_varints(raw: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Decode numbers, and tell the position behind each of them."""
    if raw.size == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    last = raw < 0x80
    if last.all():
        return raw.astype(np.uint64), np.arange(1, raw.size + 1)
    ends = np.flatnonzero(last) + 1
    if ends.size == 0 or ends[-1] != raw.size:
        raise MalformedError("a packed number is cut off")
    lengths = np.diff(ends, prepend=0)
    longest = int(lengths.max())
    if longest > _LONGEST_VARINT:
        raise MalformedError(f"a packed number of more than {_LONGEST_VARINT} bytes")
    # From the last digit, which every number has, to the first.
    numbers = raw[ends - 1].astype(np.uint64)
    for back in range(2, longest + 1):
        there = np.flatnonzero(lengths >= back)
        numbers[there] = numbers[there] << np.uint64(7) | (raw[ends[there] - back] & 0x7F)
    return numbers, ends


def pack_varints(numbers: NDArray[Any]) -> tuple[bytes, NDArray[np.int64]]:
    """Encode numbers behind each other: the bytes, and the length of each.

    Negative ones travel as 64-bit two's complement.
    """
    rest = (
        numbers.astype(np.int64).view(np.uint64) if numbers.dtype.kind == "i" else numbers.astype(np.uint64)
    )
    lengths = np.ones(rest.size, np.int64)
    for digits in range(1, _LONGEST_VARINT):
        longer = rest >= np.uint64(1 << 7 * digits)
        if not longer.any():
            break
        lengths[longer] += 1
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(int(lengths.sum()), np.uint8)
    for digit in range(int(lengths.max(initial=0))):
        there = np.flatnonzero(lengths > digit)
        more = np.where(lengths[there] > digit + 1, np.uint8(0x80), np.uint8(0))
        out[starts[there] + digit] = (rest[there] >> np.uint64(7 * digit)).astype(np.uint8) & 0x7F | more
    return out.tobytes(), lengths


def encode_varint(value: int) -> bytes:
    """Encode one number from 0."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def encode_field(number: int, content: bytes) -> bytes:
    """Encode a length-delimited field."""
    return encode_varint(number << 3 | LENGTH) + encode_varint(len(content)) + content


def read_fixed(data: memoryview, field: Field) -> float:
    """Decode one fixed-size field as the floating point number it is here."""
    code = "<f" if field.kind == FIXED32 else "<d"
    value: float = struct.unpack_from(code, data, field.begin)[0]
    return value
