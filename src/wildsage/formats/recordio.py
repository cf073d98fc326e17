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

from wildsage.formats import streams
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
WINDOW = 16 << 20
"""Bytes of a file that are looked at at once, unless a record is longer."""
_FIRST_WINDOW = 1 << 16
"""Bytes of the first look, which is all that a small file needs; the next ones grow."""
_HEAD_WORDS = 2


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


class Window(NamedTuple):
    """Whole records of a file: the byte position of the first, their bytes, and the frames in these."""

    offset: int
    buffer: memoryview
    frames: Frames


def find_frames(buffer: memoryview) -> Frames:
    """Find the frames from the front on, up to the first that is malformed or not wholly there.

    Frames of one length need a look at their heads only. Else all places where the magic number stands are found
    at once: if each frame ends where the next magic number is, these are the frames; if not, a payload holds one
    too, and the frames are followed one by one.
    """
    words = np.frombuffer(buffer, "<u4", len(buffer) // 4)
    even = _even_frames(words)
    if even is not None:
        return even
    heads = np.flatnonzero(words == MAGIC)
    heads = heads[heads + 1 < len(words)]
    lengths = words[heads + 1].astype(np.int64)
    nexts = heads + 2 + ((lengths & LONGEST_PAYLOAD) + 3) // 4
    if len(heads) and (heads[0] != 0 or (nexts[:-1] != heads[1:]).any()):
        chosen = _follow(heads, nexts)
        heads, lengths, nexts = heads[chosen], lengths[chosen], nexts[chosen]
    there = nexts <= len(words)
    heads, lengths = heads[there], lengths[there]
    begins = heads * 4 + HEADER_SIZE
    return Frames(lengths >> 29, begins, begins + (lengths & LONGEST_PAYLOAD))


def _even_frames(words: NDArray[np.uint32]) -> Frames | None:
    """Find frames that all have the head of the first; None where one has another."""
    if len(words) < _HEAD_WORDS or words[0] != MAGIC:
        return None
    length = int(words[1])
    size = length & LONGEST_PAYLOAD
    stride = _HEAD_WORDS + (size + 3) // 4
    count = len(words) // stride
    heads = words[: count * stride].reshape(count, stride)[:, :_HEAD_WORDS]
    cut_off = words[count * stride :][:_HEAD_WORDS]
    if (heads != words[:_HEAD_WORDS]).any() or (cut_off != words[: len(cut_off)]).any():
        return None
    begins = np.arange(count, dtype=np.int64) * (4 * stride) + HEADER_SIZE
    return Frames(np.full(count, length >> 29, np.int64), begins, begins + size)


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
        raise FormatError(
            source,
            f"a record begins with part flag {frame.flag}, not 0 (whole) or 1 (first part)",
            offset=base + position,
        )
    parts = [bytes(buffer[frame.begin : frame.end])]
    while frame.flag != LAST:
        start = frame.next
        frame = read_frame(buffer, start, source, base)
        if frame.flag not in {MIDDLE, LAST}:
            raise FormatError(
                source,
                f"a record is continued with part flag {frame.flag}, not 2 (a part) or 3 (the last)",
                offset=base + start,
            )
        parts.append(bytes(buffer[frame.begin : frame.end]))
    return MAGIC_BYTES.join(parts), frame.next


def read_windows(data: bytes | memoryview | BinaryIO, source: str) -> Iterator[Window]:
    """Cut data into windows of whole records.

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
    size = min(_FIRST_WINDOW, WINDOW)
    while True:
        window, ended = window_at(offset, size)
        frames = find_frames(window)
        whole = len(window) if ended else _whole_records(window, frames)
        if whole:
            yield Window(offset, window[:whole], frames.part(0, int(np.searchsorted(frames.begins, whole))))
            offset += whole
            size = min(4 * size, WINDOW)
        elif size > LONGEST_RECORD:
            raise FormatError(source, f"a record of more than {LONGEST_RECORD} bytes", offset=offset)
        else:
            size *= 2
        if ended:
            return


def _whole_records(window: memoryview, frames: Frames) -> int:
    """Count the bytes of the whole records in front; all bytes, where they are malformed."""
    flags, _, ends = frames
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
        self._held = memoryview(b"")

    def window(self, offset: int, size: int) -> tuple[memoryview, bool]:
        """Return up to `size` bytes from `offset` on, and whether the file ends with them."""
        held = self._held[offset - self._offset :]
        size = max(size, len(held))
        # Not bytes: numpy asks for large pages, and new small ones cost more than what is done with them.
        room = np.empty(size, np.uint8).data
        room[: len(held)] = held
        end = len(held) + streams.fill_into(self._file, room[len(held) :])
        self._offset, self._held = offset, room[:end]
        return self._held, end < size


def read_records(
    data: bytes | memoryview | BinaryIO, source: str = "RecordIO data"
) -> Iterator[bytes | memoryview]:
    """Yield the payloads of all records, in memory bounded as `read_windows` says.

    Raises
    ------
    FormatError
        At the first malformed frame, with its byte position.
    """
    for offset, window, _ in read_windows(data, source):
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
