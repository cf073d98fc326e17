"""RecordIO framing: a magic number, a length word, the payload, padding to four bytes.

The length word's low 29 bits are the payload's length; its top 3 bits say whether the frame is a whole record
(0) or the first (1), a middle (2) or the last (3) part of one. Writers of the dmlc family split a record where
its payload contains the magic number at a multiple of four bytes; the four bytes are dropped and come back
between the joined parts.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError
from wildsage.formats.recordio_frames import (
    FIRST,
    HEADER,
    HEADER_SIZE,
    LAST,
    LONGEST_PAYLOAD,
    MAGIC,
    MAGIC_BYTES,
    MIDDLE,
    WHOLE,
    frame,
)

LONGEST_RECORD = LONGEST_PAYLOAD
"""Bytes of a record in several parts. A longer one is refused, so that memory stays bounded."""
WINDOW = 8 << 20
"""Bytes of a file that are looked at at once, unless a record is longer."""


class Frame(NamedTuple):
    """One frame: its part flag, and the positions of its payload and of the frame behind it."""

    flag: int
    begin: int
    end: int
    next: int


class Frames(NamedTuple):
    """Frames that follow each other, as arrays (n,): part flags and the positions of their payloads."""

    flags: NDArray[np.int64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def part(self, begin: int, end: int) -> Self:
        """Return some of them."""
        return type(self)(self.flags[begin:end], self.begins[begin:end], self.ends[begin:end])


def find_frames(buffer: memoryview, position: int = 0) -> Frames:
    """Find the frames from `position` on, up to the first that is malformed or not wholly there.

    All places where the magic number stands are found at once. If each frame ends where the next magic number
    is, these are the frames; else a payload holds one too, and the frames are followed one by one.
    """
    words = np.frombuffer(buffer, "<u4", (len(buffer) - position) // 4, position)
    heads = np.flatnonzero(words == MAGIC)
    heads = heads[heads + 1 < len(words)]
    lengths = words[heads + 1].astype(np.int64)
    nexts = heads + 2 + ((lengths & LONGEST_PAYLOAD) + 3) // 4
    if len(heads) and (heads[0] != 0 or (nexts[:-1] != heads[1:]).any()):
        chosen = _follow(heads, nexts)
        heads, lengths, nexts = heads[chosen], lengths[chosen], nexts[chosen]
    there = nexts <= len(words)
    heads, lengths = heads[there], lengths[there]
    begins = position + heads * 4 + HEADER_SIZE
    return Frames(lengths >> 29, begins, begins + (lengths & LONGEST_PAYLOAD))


def _follow(heads: NDArray[np.int64], nexts: NDArray[np.int64]) -> list[int]:
    """Tell which of the places with the magic number begin a frame."""
    number = {head: index for index, head in enumerate(heads.tolist())}
    behind = nexts.tolist()
    chosen = []
    index = number.get(0)
    while index is not None:
        chosen.append(index)
        index = number.get(behind[index])
    return chosen


def read_frame(buffer: memoryview, position: int, source: str, base: int = 0) -> Frame:
    """Read the header of the frame at `position`.

    Parameters
    ----------
    base
        Position of the buffer in the whole, for the error's text.

    Raises
    ------
    FormatError
        If there is no whole frame with the magic number.
    """
    offset = base + position
    if len(buffer) - position < HEADER_SIZE:
        raise FormatError(source, "the file ends inside a RecordIO header", offset=offset)
    magic, word = HEADER.unpack_from(buffer, position)
    if magic != MAGIC:
        raise FormatError(
            source,
            f"0x{magic:08X} stands where the RecordIO magic number 0x{MAGIC:08X} must be",
            offset=offset,
        )
    begin = position + HEADER_SIZE
    end = begin + (word & LONGEST_PAYLOAD)
    following = (end + 3) & ~3
    if following > len(buffer):
        raise FormatError(
            source, f"a record of {end - begin} bytes, but only {len(buffer) - begin} follow", offset=offset
        )
    return Frame(word >> 29, begin, end, following)


def read_record(
    buffer: memoryview, position: int, source: str, base: int = 0
) -> tuple[bytes | memoryview, int]:
    """Read the record at `position`: its payload, and the position of the next record.

    Raises
    ------
    FormatError
        If the frames at `position` are no record.
    """
    frame = read_frame(buffer, position, source, base)
    if frame.flag == WHOLE:
        return buffer[frame.begin : frame.end], frame.next
    if frame.flag != FIRST:
        raise FormatError(source, f"a record begins with part flag {frame.flag}", offset=base + position)
    parts = [bytes(buffer[frame.begin : frame.end])]
    while frame.flag != LAST:
        start = frame.next
        frame = read_frame(buffer, start, source, base)
        if frame.flag not in {MIDDLE, LAST}:
            raise FormatError(
                source, f"a record is continued with part flag {frame.flag}", offset=base + start
            )
        parts.append(bytes(buffer[frame.begin : frame.end]))
    return MAGIC_BYTES.join(parts), frame.next


def read_windows(data: bytes | memoryview | BinaryIO, source: str) -> Iterator[tuple[int, memoryview]]:
    """Cut data into windows of whole records: the byte position of each, and its bytes.

    What is malformed is in a window too, so that the reader of records says how.

    Parameters
    ----------
    data
        Bytes or a memory map, which are not copied, or a file, which need not be seekable; of a file, little
        more than one window is in memory.

    Raises
    ------
    FormatError
        If a record is longer than `LONGEST_RECORD`.
    """
    window_at = _slicer(memoryview(data)) if isinstance(data, bytes | memoryview) else _Stream(data).window
    offset = 0
    size = WINDOW
    while True:
        window, ended = window_at(offset, size)
        whole = len(window) if ended else _whole_records(window)
        if whole:
            yield offset, window[:whole]
            offset += whole
            size = WINDOW
        elif size > LONGEST_RECORD:
            raise FormatError(source, f"a record of more than {LONGEST_RECORD} bytes", offset=offset)
        else:
            size *= 2
        if ended:
            return


def _whole_records(window: memoryview) -> int:
    """Count the bytes of the whole records in front; all bytes, where they are malformed."""
    flags, _, ends = find_frames(window)
    nexts = (ends + 3) & ~3
    stop = int(nexts[-1]) if len(nexts) else 0
    magic = window[stop : stop + len(MAGIC_BYTES)]
    opened = (flags == FIRST) | (flags == MIDDLE)
    continued = (flags == MIDDLE) | (flags == LAST)
    parts_fit = np.array_equal(np.concatenate([[False], opened])[: len(flags)], continued)
    if magic != MAGIC_BYTES[: len(magic)] or not parts_fit or (flags > LAST).any():
        return len(window)
    lasts = nexts[~opened]
    return int(lasts[-1]) if len(lasts) else 0


def _slicer(buffer: memoryview) -> Callable[[int, int], tuple[memoryview, bool]]:
    return lambda offset, size: (buffer[offset : offset + size], offset + size >= len(buffer))


class _Stream:
    """The part of a file that is looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0
        self._held = b""

    def window(self, offset: int, size: int) -> tuple[memoryview, bool]:
        """Return up to `size` bytes from `offset` on, and whether the file ends with them."""
        parts = [self._held[offset - self._offset :]]
        missing = size - len(parts[0])
        # A pipe gives less than it is asked for.
        while missing > 0 and (read := self._file.read(missing)):
            parts.append(read)
            missing -= len(read)
        self._offset = offset
        self._held = b"".join(parts)
        return memoryview(self._held), missing > 0


def read_records(
    data: bytes | memoryview | BinaryIO, source: str = "RecordIO data"
) -> Iterator[bytes | memoryview]:
    """Yield the payloads of all records, in memory bounded as `read_windows` says.

    Raises
    ------
    FormatError
        At the first malformed frame, with its byte position.
    """
    for offset, window in read_windows(data, source):
        position = 0
        while position < len(window):
            payload, position = read_record(window, position, source, offset)
            yield payload


def frame_record(payload: bytes) -> bytes:
    """Put one payload into a frame, as the SageMaker SDK writes it: whole, never split.

    Raises
    ------
    ValueError
        If the payload is too long for a frame.
    """
    return frame(payload)


def split_record(payload: bytes) -> bytes:
    """Put one payload into frames as MXNet's writers do: split where the magic number stands in it.

    Raises
    ------
    ValueError
        If a part is too long for a frame.
    """
    words = np.frombuffer(payload, "<u4", len(payload) // 4)
    places = [4 * int(place) for place in np.flatnonzero(words == MAGIC)]
    if not places:
        return frame(payload)
    bounds = zip([0, *(place + 4 for place in places)], [*places, len(payload)], strict=True)
    parts = [payload[begin:end] for begin, end in bounds]
    flags = [FIRST, *(MIDDLE for _ in parts[2:]), LAST]
    return b"".join(frame(part, flag) for flag, part in zip(flags, parts, strict=True))
