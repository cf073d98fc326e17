"""The file format of a log stream: append-only frames.

A frame is a header of 16 bytes (little endian: timestamp in milliseconds u64, length u32, CRC-32 of the
content u32) and the content in UTF-8, without a line end. A reader stops before the first frame that is
incomplete or whose checksum is wrong: what a crash tore off is not part of the stream.

The highest bit of the length says that the content begins with the time at which the event came in, where
that is another one (u64, milliseconds). The bit below it marks a gap, which only stands at the start of a file:
its content is the position at which the first frame begins that is still there (u64). Positions thus stay what
they are when old events go.
"""

import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct("<QII")
_NUMBER = struct.Struct("<Q")
_INGESTED = 1 << 31
_GAP = 1 << 30
LARGEST_MESSAGE = 262_118
"""Bytes in one log event; CloudWatch's limit of 256 KiB less 26. Longer ones are cut by the writer."""
SMALLEST_GAP = _HEADER.size + _NUMBER.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One log event and the file positions of its first byte and of the byte behind it.

    Attributes
    ----------
    ingested_ms
        When it came in; None: at its own time.
    """

    timestamp_ms: int
    message: str
    start: int
    end: int
    ingested_ms: int | None = None


def encode_frame(timestamp_ms: int, message: bytes, ingested_ms: int | None = None) -> bytes:
    """Encode one event. `message` longer than `LARGEST_MESSAGE` is cut."""
    content, mark = message[:LARGEST_MESSAGE], 0
    if ingested_ms is not None and ingested_ms != timestamp_ms:
        content, mark = _NUMBER.pack(ingested_ms) + content, _INGESTED
    return _HEADER.pack(timestamp_ms, len(content) | mark, zlib.crc32(content)) + content


def read_frames(file: BinaryIO, start: int, limit: int | None = None) -> Iterator[Frame]:
    """Yield whole frames from the position `start`, at most `limit` of them."""
    position = max(start, first_position(file))
    file.seek(position)
    count = 0
    while limit is None or count < limit:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        timestamp_ms, length, checksum = _HEADER.unpack(header)
        ingested_ms = None
        extra = _NUMBER.size if length & _INGESTED else 0
        length &= ~_INGESTED
        if length > LARGEST_MESSAGE + extra:
            return
        content = file.read(length)
        if len(content) < length or zlib.crc32(content) != checksum:
            return
        if extra:
            ingested_ms, content = _NUMBER.unpack_from(content)[0], content[extra:]
        end = position + _HEADER.size + length
        yield Frame(timestamp_ms, content.decode("utf-8", "replace"), position, end, ingested_ms)
        position = end
        count += 1


def first_position(file: BinaryIO) -> int:
    """Return where the first frame begins that is still there."""
    file.seek(0)
    gap = file.read(SMALLEST_GAP)
    if len(gap) < SMALLEST_GAP:
        return 0
    _, length, checksum = _HEADER.unpack_from(gap)
    content = gap[_HEADER.size :]
    if length != _GAP | _NUMBER.size or zlib.crc32(content) != checksum:
        return 0
    position: int = _NUMBER.unpack(content)[0]
    return position


def whole_length(file: BinaryIO, start: int = 0) -> int:
    """Return the position behind the last whole frame; what follows was torn off by a crash.

    A writer cuts it away before it appends, or no reader would ever get past it.

    Parameters
    ----------
    start
        Where a frame begins, or the end of the file.
    """
    end = max(start, first_position(file))
    for frame in read_frames(file, start):
        end = frame.end
    return end


def drop_before(path: Path, position: int) -> None:
    """Remove the frames before `position`, where one begins, and leave a hole without blocks in their place.

    The file is replaced as a whole: nobody else may be writing it.
    """
    content = _NUMBER.pack(position)
    new = path.with_suffix(".new")
    with path.open("rb") as old, new.open("wb") as file:
        file.write(_HEADER.pack(0, _GAP | len(content), zlib.crc32(content)) + content)
        file.truncate(position)
        file.seek(position)
        old.seek(position)
        shutil.copyfileobj(old, file)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(path.stat().st_mode)
    new.replace(path)
