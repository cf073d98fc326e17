"""A folder that a container writes to, seen from outside: which files there are, and which are finished.

A file is *finished* when no process has it open for writing and it is as it was at the look before. Whether somebody
writes is asked of the kernel: it grants a read lease on a file that nobody has open for writing, and only on such
a one (``fcntl(2)``, F_SETLEASE). Where the file system has no leases, a file counts as finished when it has not
changed for `_QUIET_SECONDS`.

The container may replace anything by a link to anywhere while we look: every path is opened part by part, and no link
is followed.
"""

import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_QUIET_SECONDS = 2.0
_MOST_PATH_BYTES = 1024
"""No key of S3 is longer, so nothing deeper can be stored."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class WatchedFolderError(Exception):
    """The folder is not a folder any more, or has what cannot be stored. The text is for the user."""


class ChangedError(Exception):
    """A file is not what it was when it was looked at."""


class Signature(NamedTuple):
    """What changes when a file does. Times in nanoseconds; `changed` cannot be set by who writes the file."""

    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Take it of a status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Look:
    """The files of a folder at one moment.

    Attributes
    ----------
    files
        By path below the folder.
    since
        Monotonic seconds at which a file was first seen as it is.
    closed
        Paths of files that nobody had open for writing.
    finished
        Those of them that are complete.
    """

    files: Mapping[str, Signature] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()


class WatchedFile:
    """An open file that is read as it was at a look; `wildsage.supervisor.upload.Content`."""

    def __init__(self, descriptor: int, signature: Signature) -> None:
        self._descriptor = descriptor
        self._signature = signature
        self.size = signature.size

    def read(self, start: int, size: int) -> bytes:
        """Return bytes of it; raises `ChangedError` where they are gone."""
        piece = os.pread(self._descriptor, size, start)
        if not piece:
            raise ChangedError
        return piece

    def check(self) -> None:
        """Raise `ChangedError` unless it is as it was and nobody writes to it."""
        if _is_written(self._descriptor) or Signature.of(os.fstat(self._descriptor)) != self._signature:
            raise ChangedError


class WatchedFolder:
    """One folder.

    Parameters
    ----------
    base, path
        The folder is `path` below `base`; the container cannot replace `base` itself.
    """

    def __init__(self, base: Path, path: str) -> None:
        self._base = base
        self._path = path

    def look(self, before: Look, synced: Mapping[str, Signature], *, may_end: bool = False) -> Look:
        """Look through the folder.

        Parameters
        ----------
        before
            The look before.
        synced
            Files that are stored as they are: nobody asks whether they are finished.
        may_end
            The container may end at any moment: one look has to do for a file that nobody writes to.

        Raises
        ------
        WatchedFolderError
            If it cannot be looked through.
        """
        now = time.monotonic()
        files: dict[str, Signature] = {}
        since: dict[str, float] = {}
        closed, finished = set(), set()
        for path, name, parent in self._walk():
            try:
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            seen = files[path] = Signature.of(status)
            is_same = before.files.get(path) == seen
            since[path] = before.since[path] if is_same else now
            if synced.get(path) != seen and _is_closed(name, parent, now - since[path]):
                closed.add(path)
                if is_same or may_end:
                    finished.add(path)
        return Look(files, since, frozenset(closed), frozenset(finished))

    @contextmanager
    def opened(self, path: str, signature: Signature) -> Iterator[WatchedFile]:
        """Open a file that was looked at.

        Raises
        ------
        ChangedError
            If it is another one now.
        WatchedFolderError
            If it may not be read.
        """
        *folders, name = path.split("/")
        with self._root() as root:
            try:
                descriptor = _descend(root, [*folders], name)
            except PermissionError as error:
                raise WatchedFolderError(f"{path} cannot be read ({error.strerror})") from error
            except OSError as error:
                raise ChangedError from error
        try:
            file = WatchedFile(descriptor, signature)
            if Signature.of(os.fstat(descriptor)) != signature:
                raise ChangedError
            yield file
        finally:
            os.close(descriptor)

    def _walk(self) -> Iterator[tuple[str, str, int]]:
        """Yield path, name and the parent's descriptor of everything that is no folder."""
        with self._root() as root:
            if root >= 0:
                yield from _entries(root, "")

    @contextmanager
    def _root(self) -> Iterator[int]:
        """Open the folder; yield -1 where it is not there: the container removed it with all that was in it."""
        base = os.open(self._base, _FOLDER)
        try:
            root = _descend(base, [part for part in self._path.split("/") if part])
        except FileNotFoundError:
            root = -1
        except OSError as error:
            raise WatchedFolderError(
                f"it is not a folder any more ({error.strerror}): links are not followed"
            ) from error
        finally:
            os.close(base)
        try:
            yield root
        finally:
            if root >= 0:
                os.close(root)


def _descend(folder: int, folders: list[str], name: str | None = None) -> int:
    """Open a folder below an open one, or a file in it, following no link."""
    current = os.dup(folder)
    try:
        for part in folders:
            below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        if name is None:
            return os.dup(current)
        return os.open(name, _FILE, dir_fd=current)
    finally:
        os.close(current)


def _entries(folder: int, prefix: str) -> Iterator[tuple[str, str, int]]:
    with os.scandir(folder) as scanned:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scanned]
    for name, is_folder in entries:
        path = f"{prefix}{name}"
        if len(os.fsencode(path)) > _MOST_PATH_BYTES:
            raise WatchedFolderError(f"{path[:80]}… has a path that is too long for a key of S3")
        if not is_folder:
            yield path, name, folder
            continue
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise WatchedFolderError(f"{path} cannot be read ({error.strerror})") from error
        try:
            yield from _entries(inner, f"{path}/")
        finally:
            os.close(inner)


def _is_closed(name: str, parent: int, quiet: float) -> bool:
    """Whether nobody writes to a file that has been as it is for `quiet` seconds."""
    try:
        descriptor = os.open(name, _FILE, dir_fd=parent)
    except PermissionError:
        return quiet >= _QUIET_SECONDS  # who reads it then says that it cannot be read
    except OSError:  # gone, or a link by now
        return False
    try:
        is_written = _is_written(descriptor)
    finally:
        os.close(descriptor)
    return quiet >= _QUIET_SECONDS if is_written is None else not is_written


def _is_written(descriptor: int) -> bool | None:
    """Whether any process has a file open for writing; None where the file system cannot tell."""
    try:
        # Whoever opens the file in between waits until the lease is given back, and we hear of it: by a signal that
        # does nothing, where the usual one would end us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
