"""Who owns a data directory: a lock on a file, held for as long as the owner lives, with its process id in it."""

import contextlib
import os
from collections.abc import Iterator

from wildsage.store import file_lock
from wildsage.store.layout import Layout

_PATIENCE_SECONDS = 0.1


class DirectoryInUseError(Exception):
    """Another process owns the data directory.

    Attributes
    ----------
    owner
        Its process id; None in the moment before it has written that down.
    """

    def __init__(self, owner: int | None) -> None:
        super().__init__(owner)
        self.owner = owner


@contextlib.contextmanager
def owned(layout: Layout) -> Iterator[None]:
    """Own a data directory, which exists, until the block ends.

    Raises
    ------
    DirectoryInUseError
        If another process does.
    OSError
        If the lock's file cannot be made.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not file_lock.take(descriptor, _PATIENCE_SECONDS):
            raise DirectoryInUseError(_said(descriptor))
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_free(layout: Layout) -> bool:
    """Whether nobody owns the data directory now."""
    return file_lock.is_free(layout.lock)


def directory_owner(layout: Layout) -> int | None:
    """Return the process that owns the data directory; None where nobody does, or has not said so yet."""
    if is_free(layout):
        return None
    descriptor = os.open(layout.lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _said(descriptor)
    finally:
        os.close(descriptor)


def _said(descriptor: int) -> int | None:
    text = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
    return int(text) if text.isdecimal() else None
