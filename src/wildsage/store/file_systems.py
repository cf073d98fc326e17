"""Folders of this machine that stand for file systems (EFS, FSx for Lustre): ``fs-…`` to a path."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_ID = re.compile(r"fs-[0-9a-f]{8,}")
_LONGEST_ID = 21


class UnknownFolderError(Exception):
    """An id is not registered, or a directory is not there. The text says what to do."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A folder of this machine under the id of a file system."""

    id: str
    path: str


class FileSystems:
    """The file systems in one file. Several processes may use it at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, file_system_id: str, folder: Path) -> FileSystem:
        """Register a folder; an id that is there already gets it instead of its old one.

        Raises
        ------
        ValueError
            If the id is not one of a file system, or there is no such folder.
        """
        if not _ID.fullmatch(file_system_id) or len(file_system_id) > _LONGEST_ID:
            raise ValueError(
                f"{file_system_id!r} is no id of a file system: write fs- and 8 to 18 digits of 0-9a-f,"
                " e.g. fs-0123456789abcdef0"
            )
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder of this machine")
        data = self._path.parent.resolve()
        if data.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(data):
            raise ValueError(
                f"{folder} holds, or is a part of, Wildsage's own data directory: jobs must not see it"
            )
        added = FileSystem(file_system_id, str(folder.resolve()))
        with self._changing() as items:
            items[added.id] = added
        return added

    def remove(self, file_system_id: str) -> None:
        """Forget an id; its folder stays.

        Raises
        ------
        LookupError
            If it is not registered.
        """
        with self._changing() as items:
            if items.pop(file_system_id, None) is None:
                raise LookupError(
                    f"no file system {file_system_id!r} is registered; there are: {sorted(items)}"
                )

    def list(self) -> "list[FileSystem]":
        """Return all, in the order of their ids."""
        try:
            items = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return sorted((FileSystem(**item) for item in items), key=lambda item: item.id)

    def require(self, file_system_id: str) -> FileSystem:
        """Return what an id stands for.

        Raises
        ------
        UnknownFolderError
            If it is not registered.
        """
        found = next((item for item in self.list() if item.id == file_system_id), None)
        if found is None:
            raise UnknownFolderError(
                f"the file system {file_system_id} is not registered here."
                f" Say which folder it is: wildsage filesystems add {file_system_id} PATH"
            )
        return found

    def folder(self, file_system_id: str, directory: str) -> Path:
        """Return the folder that a path within a file system names.

        Raises
        ------
        UnknownFolderError
            If the id is not registered, or the directory is not there or leads out of the file system.
        """
        root = Path(self.require(file_system_id).path)
        try:
            path = (root / directory.lstrip("/")).resolve()
            is_inside, is_there = path.is_relative_to(root.resolve()), path.is_dir()
        except (OSError, RuntimeError, ValueError):  # no name of a file, closed to us, or a link to itself
            is_inside, is_there = True, False
        if not is_inside:
            raise UnknownFolderError(f"DirectoryPath {directory!r} leads out of {file_system_id} ({root})")
        if not is_there:
            raise UnknownFolderError(
                f"DirectoryPath {directory!r} is no directory of {file_system_id} ({root})"
            )
        return path

    @contextmanager
    def _changing(self) -> Iterator[dict[str, FileSystem]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder is the lock: the file itself is replaced.
        lock = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            items = {item.id: item for item in self.list()}
            yield items
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            with temporary.open("w", encoding="utf-8") as file:
                json.dump([asdict(item) for item in items.values()], file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._path)
            os.fsync(lock)
        finally:
            os.close(lock)
