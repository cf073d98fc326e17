"""The part of protobuf's wire format that records need, on numpy."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

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


def unpack_varints(data: memoryview) -> NDArray[np.uint64]:
    """Decode a packed run of varints."""
    raw = np.frombuffer(data, np.uint8)
    if raw.size == 0:
        return np.zeros(0, np.uint64)
    ends = np.flatnonzero(raw < 0x80)
    if ends.size == 0 or ends[-1] != raw.size - 1:
        raise MalformedError("a packed number is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_VARINT:
        raise MalformedError(f"a packed number of more than {_LONGEST_VARINT} bytes")
    places = np.arange(raw.size) - np.repeat(starts, lengths)
    digits = (raw & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.add.reduceat(digits, starts)


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
