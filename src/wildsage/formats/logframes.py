"""The file format of a log stream: append-only frames.

A frame is a header of 16 bytes (little endian: timestamp in milliseconds u64, length u32, CRC-32 of the
content u32) and the content in UTF-8, without a line end. A reader stops before the first frame that is
incomplete or whose checksum is wrong: what a crash tore off is not part of the stream.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = struct.Struct("<QII")
LARGEST_MESSAGE = 262_118
"""Bytes in one log event; CloudWatch's limit of 256 KiB less 26. Longer ones are cut by the writer."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One log event and the file positions of its first byte and of the byte behind it."""

    timestamp_ms: int
    message: str
    start: int
    end: int


def encode_frame(timestamp_ms: int, message: bytes) -> bytes:
    """Encode one event. `message` longer than `LARGEST_MESSAGE` is cut."""
    content = message[:LARGEST_MESSAGE]
    return _HEADER.pack(timestamp_ms, len(content), zlib.crc32(content)) + content


def read_frames(file: BinaryIO, start: int, limit: int | None = None) -> Iterator[Frame]:
    """Yield whole frames from the position `start`, at most `limit` of them."""
    file.seek(start)
    position = start
    count = 0
    while limit is None or count < limit:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        timestamp_ms, length, checksum = _HEADER.unpack(header)
        if length > LARGEST_MESSAGE:
            return
        content = file.read(length)
        if len(content) < length or zlib.crc32(content) != checksum:
            return
        end = position + _HEADER.size + length
        yield Frame(timestamp_ms, content.decode("utf-8", "replace"), position, end)
        position = end
        count += 1


def whole_length(file: BinaryIO, start: int = 0) -> int:
    """Return the position behind the last whole frame; what follows was torn off by a crash.

    A writer cuts it away before it appends, or no reader would ever get past it.

    Parameters
    ----------
    start
        Where a frame begins, or the end of the file.
    """
    end = start
    for frame in read_frames(file, start):
        end = frame.end
    return end
