"""One content file at a time: being written with its digests, being read, being linked."""

import errno
import hashlib
import os
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsage.store.checksums import Digest, encoded, new_digest


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
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append and hash."""
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self.hash(chunk)

    def hash(self, chunk: bytes) -> None:
        """Take in bytes that are in the file already."""
        self.size += len(chunk)
        self._md5.update(chunk)
        for digest in self._digests.values():
            digest.update(chunk)
        if self._sha256 is not None:
            self._sha256.update(chunk)

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
