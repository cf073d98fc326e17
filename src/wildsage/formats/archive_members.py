"""Read one member of a tar or zip archive without extracting the archive, within bounds."""

import gzip
import io
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

from wildsage.formats.archives import GZIP_MAGIC, ArchiveError, Member
from wildsage.formats.zip_files import DAMAGED

MOST_READ = 2 * 1024**3
"""Bytes of an archive's content that are looked through."""

_LARGEST_MEMBER = 1 << 20
_ZIP_MAGIC = b"PK\x03\x04"


def read_member(files: Sequence[Path], name: str, most_read: int = MOST_READ) -> bytes | None:
    """Return the first member of a name, of a tar, compressed with gzip or not, or of a zip.

    Parameters
    ----------
    files
        Their contents, one behind the other, are the archive; a zip is looked into if it is in one file.
    name
        Its path in the archive; ``./`` before it makes no difference.
    most_read
        Bytes of the uncompressed archive: a member behind them is not found.

    Returns
    -------
    None where there is no such file, or it is larger than 1 MiB.

    Raises
    ------
    ArchiveError
        If the archive is damaged before the member.
    OSError
        If a file is not there any more.
    """
    with ExitStack() as stack:
        joined = stack.enter_context(io.BufferedReader(_Joined(files)))
        content: IO[bytes] = joined
        if joined.peek(len(_ZIP_MAGIC))[: len(_ZIP_MAGIC)] == _ZIP_MAGIC:
            return _found_in_zip(files[0], name) if len(files) == 1 else None
        if joined.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
            content = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=joined)))
        try:
            return _found(cast("IO[bytes]", _Bounded(content, most_read)), name)
        except (
            tarfile.TarError,
            EOFError,
            zlib.error,
            gzip.BadGzipFile,
            ArithmeticError,
            ValueError,
        ) as error:
            raise ArchiveError(f"the archive is damaged: {error}") from error


def _found_in_zip(file: Path, name: str) -> bytes | None:
    try:
        with zipfile.ZipFile(file) as archive:
            if name not in archive.namelist() or archive.getinfo(name).file_size > _LARGEST_MEMBER:
                return None
            with archive.open(name) as member:  # what the directory says of its size may not be so
                content = member.read(_LARGEST_MEMBER + 1)
            return content if len(content) <= _LARGEST_MEMBER else None
    except DAMAGED as error:
        raise ArchiveError(f"the archive is damaged: {error}") from error


def _found(content: IO[bytes], name: str) -> bytes | None:
    with tarfile.open(fileobj=content, mode="r|", tarinfo=Member) as tar:
        for member in tar:
            if posixpath.normpath(member.name) == name and member.isreg():
                file = tar.extractfile(member) if member.size <= _LARGEST_MEMBER else None
                return None if file is None else file.read()
    return None


class _Joined(io.RawIOBase):
    """Several files as one."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._rest = list(files)
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._file is None:
                if not self._rest:
                    return 0
                self._file = self._rest.pop(0).open("rb")
            data = self._file.read(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            self._file.close()
            self._file = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


class _Bounded:
    """A stream that ends after some bytes."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self._stream = stream
        self._left = left

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data
