"""RecordIO framing: a magic number, a length word, the payload, padding to four bytes.

The length word's low 29 bits are the payload's length; its top 3 bits say whether the frame is a whole record
(0) or the first (1), a middle (2) or the last (3) part of one. Writers of the dmlc family split a record where
its payload contains the magic number; the four bytes are dropped and come back between the joined parts.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from wildsage.formats.errors import FormatError

MAGIC = 0xCED7230A
MAGIC_BYTES = struct.pack("<I", MAGIC)
HEADER_SIZE = 8
LONGEST_PAYLOAD = (1 << 29) - 1
"""Bytes in one frame: what the length word can say."""

_HEADER = struct.Struct("<II")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class Frame(NamedTuple):
    """One frame: its part flag, and the positions of its payload and of the frame behind it."""

    flag: int
    begin: int
    end: int
    next: int


def read_frame(buffer: memoryview, position: int, source: str) -> Frame:
    """Read the header of the frame at `position`.

    Raises
    ------
    FormatError
        If there is no whole frame with the magic number.
    """
    if len(buffer) - position < HEADER_SIZE:
        raise FormatError(source, "the file ends inside a RecordIO header", offset=position)
    magic, word = _HEADER.unpack_from(buffer, position)
    if magic != MAGIC:
        raise FormatError(
            source,
            f"0x{magic:08X} stands where the RecordIO magic number 0x{MAGIC:08X} must be",
            offset=position,
        )
    begin = position + HEADER_SIZE
    end = begin + (word & LONGEST_PAYLOAD)
    following = (end + 3) & ~3
    if following > len(buffer):
        raise FormatError(
            source, f"a record of {end - begin} bytes, but only {len(buffer) - begin} follow", offset=position
        )
    return Frame(word >> 29, begin, end, following)


def read_record(buffer: memoryview, position: int, source: str) -> tuple[bytes | memoryview, int]:
    """Read the record at `position`: its payload, and the position of the next record.

    Raises
    ------
    FormatError
        If the frames at `position` are no record.
    """
    frame = read_frame(buffer, position, source)
    if frame.flag == _WHOLE:
        return buffer[frame.begin : frame.end], frame.next
    if frame.flag != _FIRST:
        raise FormatError(source, f"a record begins with part flag {frame.flag}", offset=position)
    parts = [bytes(buffer[frame.begin : frame.end])]
    while frame.flag != _LAST:
        start = frame.next
        frame = read_frame(buffer, start, source)
        if frame.flag not in {_MIDDLE, _LAST}:
            raise FormatError(source, f"a record is continued with part flag {frame.flag}", offset=start)
        parts.append(bytes(buffer[frame.begin : frame.end]))
    return MAGIC_BYTES.join(parts), frame.next


def read_records(data: bytes | memoryview, source: str = "RecordIO data") -> Iterator[bytes | memoryview]:
    """Yield the payloads of all records of a buffer (a memory map, for files larger than memory).

    Raises
    ------
    FormatError
        At the first malformed frame, with its byte position.
    """
    buffer = memoryview(data)
    position = 0
    while position < len(buffer):
        payload, position = read_record(buffer, position, source)
        yield payload


def frame_record(payload: bytes) -> bytes:
    """Put one payload into a frame, as the SageMaker SDK writes it: whole, never split.

    Raises
    ------
    ValueError
        If the payload is too long for a frame.
    """
    if len(payload) > LONGEST_PAYLOAD:
        raise ValueError(f"a record of {len(payload)} bytes; one frame holds at most {LONGEST_PAYLOAD}")
    return _HEADER.pack(MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)
