"""Bytes from files that may be pipes, and from compressed ones, in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from wildsage.formats.errors import FormatError

BLOCK = 4 << 20
"""Bytes that are read at once."""
_PART = 1 << 18


def fill(file: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end. A pipe gives less at once than it is asked for."""
    parts = []
    while size > 0 and (read := file.read(size)):
        parts.append(read)
        size -= len(read)
    return b"".join(parts)


def fill_into(file: BinaryIO, target: memoryview) -> int:
    """Read until `target` is full or the file ends: how many bytes were read."""
    end = 0
    # Small parts stay in the processor's cache until they are copied.
    while end < len(target) and (part := file.read(min(_PART, len(target) - end))):
        target[end : end + len(part)] = part
        end += len(part)
    return end


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield all bytes in blocks."""
    while block := fill(file, BLOCK):
        yield block


def read_whole(file: BinaryIO, source: str, largest: int) -> bytes:
    """Read all bytes.

    Raises
    ------
    FormatError
        If there are more than `largest`.
    """
    data = fill(file, largest + 1)
    if len(data) > largest:
        raise FormatError(source, f"more than {largest >> 20} MiB, which is the most for this format")
    return data


class _Gunzipped(io.RawIOBase):
    """What a gzip file holds; several members follow each other."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = gzip.GzipFile(fileobj=file)
        self._source = source
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]  # any buffer, on every version
        try:
            count = self._file.readinto(target)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FormatError(
                self._source, f"not gzip: {error} (position of what was unpacked)", offset=self._offset
            ) from error
        self._offset += count
        return count


def gunzip(file: BinaryIO, source: str) -> BinaryIO:
    """Return what a gzip file holds, as a file. It is unpacked while it is read.

    Where AWS allows it: ``CompressionType: Gzip`` of a channel, and of batch transform's input.

    Raises
    ------
    FormatError
        While reading: if the file is no gzip, is damaged or cut off.
    """
    return cast("BinaryIO", io.BufferedReader(_Gunzipped(file, source), BLOCK))
