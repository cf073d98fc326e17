"""Locks on files: held for as long as the process lives that took them, whatever ends it."""

import fcntl
import os
import time
from pathlib import Path


def take(descriptor: int, patience: float) -> bool:
    """Lock an open file; False where another process has it locked for longer than `patience` (seconds)."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Who only looks whether it is free holds it for an instant.
            if time.monotonic() > deadline:
                return False
            time.sleep(patience / 20)
        else:
            return True


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock on a file now, or there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
