"""The journal: what happened to a run, an event per line, each on disk before the next step begins.

A full disk holds no run up: an event that finds no space is kept and written before the next one.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wildsage.supervisor.contract import Event, EventKind


class Journal:
    """The writer of a run's journal.

    Parameters
    ----------
    path
        Continued where it exists: a torn last line is cut off first.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        os.ftruncate(self._file, whole)
        self._sequence = content.count(b"\n")
        self._unwritten = b""

    def write(self, kind: EventKind, **detail: Any) -> None:
        """Append an event and return when it is durable, or kept because the disk does not take it."""
        self._sequence += 1
        event = Event(self._sequence, round(time.time(), 3), kind, detail)
        self._unwritten += json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Try again to write what the disk did not take."""
        if not self._unwritten:
            return
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            if os.write(self._file, self._unwritten) == len(self._unwritten):
                os.fsync(self._file)
                self._unwritten = b""
        except OSError:
            pass
        if self._unwritten:
            os.ftruncate(self._file, end)
