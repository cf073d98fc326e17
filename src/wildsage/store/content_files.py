"""One content file at a time: being written with its digests, being read, being linked."""

import errno
import hashlib
import os
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsage.store.checksums import IN_LANES, Digest, encoded, new_digest

_PIECE = 128 * 1024
"""Bytes that a digest takes in at a time: a quarter of a millisecond of MD5."""
_LANES_PIECE = 256 * 1024
_STRETCH_SECONDS = 0.00025
_REST_SECONDS = 0.00001


@dataclass(frozen=True, slots=True)
class Blob:
    """One content file.

    Attributes
    ----------
    md5
        Hexadecimal.
    checksums
        Base64, by algorithm: those that were asked for.
    """

    id: str
    size: int
    md5: str
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Span:
    """Some bytes of one content file."""

    blob: str
    start: int
    length: int


class Intake:
    """A temporary file being written, and the digests of what went in."""

    def __init__(self, path: Path, algorithms: Collection[str], *, sha256: bool = False) -> None:
        self.path = path
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests: dict[str, Digest] = {name: new_digest(name) for name in algorithms}
        self._sha256 = hashlib.sha256() if sha256 else None
        self._fed: list[tuple[Digest, int]] = [(self._md5, _PIECE)]
        if self._sha256 is not None:
            self._fed.append((self._sha256, _PIECE))
        for name, digest in self._digests.items():
            self._fed.append((digest, _LANES_PIECE if name in IN_LANES else _PIECE))
        self._pace = _Pace()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append and hash."""
        self._pace.begin()
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self.hash(chunk)

    def hash(self, chunk: bytes) -> None:
        """Take in bytes that are in the file already."""
        self.size += len(chunk)
        view = memoryview(chunk)
        for digest, size in self._fed:
            for start in range(0, len(view), size):
                digest.update(view[start : start + size])
                self._pace.rest()

    @property
    def sha256(self) -> str:
        """Return the hexadecimal SHA-256 of what went in, where it was asked for."""
        return "" if self._sha256 is None else self._sha256.hexdigest()

    def sync(self) -> None:
        """Return when the data is on disk."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; once more does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def blob(self, blob_id: str) -> Blob:
        """Return what went in, under the id it will have."""
        return Blob(blob_id, self.size, self._md5.hexdigest(), encoded(self._digests))


class _Pace:
    """Lets go of the core now and then, for less than a tenth of a millisecond.

    Giving way by priority alone is not enough. Linux weighs sessions against each other before it looks at the
    threads in them (autogroup), and a model container has a session of its own: once chosen, a thread of this process
    stays until the next tick of the clock, up to four milliseconds, whoever waits for the core. One that sleeps does not.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Note that work begins."""
        self._since = time.monotonic()

    def rest(self) -> None:
        """Sleep, if that was long enough ago."""
        if time.monotonic() - self._since >= _STRETCH_SECONDS:
            time.sleep(_REST_SECONDS)
            self.begin()


class Reader:
    """An open content file. Closed when the last reference to it dies."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        weakref.finalize(self, self._file.close).atexit = False

    def read(self, size: int, position: int) -> bytes:
        """Return exactly `size` bytes.

        Raises
        ------
        OSError
            If the file is shorter: somebody outside cut it.
        """
        data = os.pread(self._file.fileno(), size, position)
        while len(data) < size:
            more = os.pread(self._file.fileno(), size - len(data), position + len(data))
            if not more:
                raise OSError(errno.EIO, f"{self._file.name} ends before byte {position + size}")
            data += more
        return data


def link(source: Path, target: Path) -> bool:
    """Put a link to `source` in the place of `target`; False where the file system cannot."""
    staged = target.with_name(target.name + ".link")
    try:
        os.link(source, staged, follow_symlinks=False)
    except OSError:
        return False
    staged.rename(target)
    return True


def drop(intake: Intake) -> None:
    """Close the file, and remove it unless it was renamed."""
    intake.close()
    intake.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
