"""Whether a run lives: its supervisor holds a lock for as long as it does, whatever ends it."""

import fcntl
import os
import time
from pathlib import Path

LOCK_FILE = "lock"
"""In a run's folder: held (flock) by its supervisor."""

_PATIENCE_SECONDS = 2.0


class RunInUseError(Exception):
    """A supervisor already carries this run."""


def take_lock(path: Path) -> int:
    """Lock a run and return the descriptor that holds the lock.

    A reader that asks `is_alive` holds the lock for an instant: hence the patience.

    Raises
    ------
    RunInUseError
        If a supervisor holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise RunInUseError(f"{path} is locked: a supervisor carries this run") from None
            time.sleep(0.005)
        else:
            return descriptor


def is_alive(run: Path) -> bool:
    """Tell whether a supervisor carries the run in a folder now."""
    try:
        descriptor = os.open(run / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def living(folder: Path) -> list[Path]:
    """Return the folders of the runs below `folder` that a supervisor carries now."""
    return [run for run in folder.glob("*") if is_alive(run)]
