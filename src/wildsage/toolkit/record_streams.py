"""Protobuf records from a stream that is larger than memory and cannot be read twice: a FIFO."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from wildsage.formats.errors import FormatError
from wildsage.formats.recordio import HEADER_SIZE, LONGEST_PAYLOAD, MAGIC, read_frame
from wildsage.formats.recordio_protobuf import Rows, read_rows

_PORTION = 8 << 20
_WHOLE, _LAST = 0, 3


def read_row_stream(stream: BinaryIO, source: str) -> Iterator[Rows]:
    """Yield the records of a stream as `read_rows` does; memory is bounded by a portion and the longest record.

    Raises
    ------
    FormatError
        As `read_rows`, with the byte position in the stream.
    """
    position = 0  # of the buffer's first byte, in the stream
    buffer = b""
    while portion := stream.read(_PORTION):
        buffer += portion
        whole = whole_records(memoryview(buffer), source, position)
        if whole:
            yield from _rows(memoryview(buffer)[:whole], source, position)
            position += whole
            buffer = buffer[whole:]
    if buffer:
        yield from _rows(memoryview(buffer), source, position)  # no whole record: it says so


def whole_records(buffer: memoryview, source: str, position: int = 0) -> int:
    """Return where the last whole record ends.

    Runs of frames with one header, the usual case, are counted at once.

    Raises
    ------
    FormatError
        If something else than a frame stands where one must begin.
    """
    end = start = 0  # of the whole records; of the frame that is looked at
    while len(buffer) - start >= HEADER_SIZE:
        word = int.from_bytes(buffer[start + 4 : start + 8], "little")
        if int.from_bytes(buffer[start : start + 4], "little") != MAGIC:
            _read_frame(buffer, start, source, position)
        flag, stride = word >> 29, (HEADER_SIZE + (word & LONGEST_PAYLOAD) + 3) & ~3
        if start + stride > len(buffer):
            break
        if flag == _WHOLE:
            stride *= _repeats(buffer, start, stride)
        start += stride
        if flag in {_WHOLE, _LAST}:
            end = start
    return end


def _repeats(buffer: memoryview, start: int, stride: int) -> int:
    """Count the whole frames from `start` on that have the header of the first."""
    following = start + stride
    if bytes(buffer[following : following + HEADER_SIZE]) != bytes(buffer[start : start + HEADER_SIZE]):
        return 1
    count = (len(buffer) - start) // stride
    frames = np.frombuffer(buffer, np.uint8, count * stride, start).reshape(count, stride)
    same = (frames[:, :HEADER_SIZE] == frames[0, :HEADER_SIZE]).all(axis=1)
    return count if same.all() else int(same.argmin())


def _read_frame(buffer: memoryview, start: int, source: str, position: int) -> None:
    """Raise what `read_frame` says of bytes that are no frame."""
    try:
        read_frame(buffer, start, source)
    except FormatError as error:
        raise _moved(error, position) from error


def _rows(buffer: memoryview, source: str, position: int) -> Iterator[Rows]:
    try:
        yield from read_rows(buffer, source)
    except FormatError as error:
        raise _moved(error, position) from error


def _moved(error: FormatError, by: int) -> FormatError:
    """Return the error with its place in the stream instead of in the buffer."""
    what = str(error).removeprefix(f"{error.source}, byte {error.offset}: ")
    return FormatError(error.source, what, offset=(error.offset or 0) + by)
