"""One FIFO in a folder that belongs to the container, and its writing end.

The container may remove, move or replace it: what is opened for writing is always the very FIFO that was made.
"""

import fcntl
import os
import stat
from contextlib import suppress

_WANTED_PIPE = 1 << 20
_F_SETPIPE_SZ = 1031
_PORTION = 1 << 20


class ReaderGoneError(Exception):
    """The reader closed early."""


class Fifo:
    """A FIFO, made at once.

    Parameters
    ----------
    folder
        Descriptor of its folder: the container may move or replace what leads there.

    Raises
    ------
    FileExistsError
        If something else of that name is there.
    """

    def __init__(self, folder: int, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file = -1
        with suppress(FileExistsError):
            os.mkfifo(name, 0o644, dir_fd=folder)
        self._place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        if not stat.S_ISFIFO(os.fstat(self._place).st_mode):
            os.close(self._place)
            raise FileExistsError(f"{name} is there, and is no FIFO")

    def open(self) -> None:
        """Wait for a reader."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        with suppress(OSError):  # a user's pipes together have a limit: then it stays at 64 KiB
            fcntl.fcntl(self._file, _F_SETPIPE_SZ, _WANTED_PIPE)

    def release_writer(self) -> None:
        """Let go whoever waits in `open`."""
        with suppress(OSError):
            os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    @property
    def _path(self) -> str:
        return f"/proc/self/fd/{self._place}"

    def write(self, content: bytes) -> None:
        """Write all; waits for the reader.

        Raises
        ------
        ReaderGoneError
            If it closed.
        """
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except BrokenPipeError as error:
            raise ReaderGoneError(self._name) from error

    def splice(self, source: int) -> int:
        """Hand the next pages of a file over, without a copy; returns how many bytes, 0 at its end.

        Raises
        ------
        ReaderGoneError
            If the reader closed.
        """
        try:
            return os.splice(source, self._file, _PORTION)
        except BrokenPipeError as error:
            raise ReaderGoneError(self._name) from error

    def remove(self) -> None:
        """Remove it and close: the reader sees the end, and nobody finds it again. Once more does nothing."""
        if self._place < 0:
            return
        # The name first: who has seen the end may look for it.
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)
        for descriptor in (self._file, self._place):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._place = -1
