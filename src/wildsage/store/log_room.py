"""Room at the end of a write-ahead log, made before commits need it.

A commit that makes the log longer waits until the file system has written the file's new length too, several times as
long as one that overwrites what is there. So the log is made longer in few great steps. What lies behind the last
commit is nothing to SQLite: zeros are no frame, as the rest of a longer log that began anew is none.
"""

import os
from contextlib import suppress
from pathlib import Path

_LARGEST_STEP = 4 * 1024 * 1024


class LogRoom:
    """Makes room in the log of one database. For its only writer, which holds the lock to write meanwhile."""

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._size = 0

    def extend(self) -> None:
        """Double the log if commits have filled it; where the disk is full, they still have what there is."""
        with suppress(OSError):
            size = self._log.stat().st_size
            if size <= self._size:
                return
            self._size = size  # what follows may fail: not to be tried again before the log has grown
            with self._log.open("r+b", buffering=0) as file:
                file.seek(0, os.SEEK_END)
                file.write(bytes(min(size, _LARGEST_STEP)))
                self._size = file.tell()
