"""The journal: what happened to a run, an event per line, each on disk before the next step begins."""

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

    def write(self, kind: EventKind, **detail: Any) -> None:
        """Append an event and return when it is durable."""
        self._sequence += 1
        event = Event(self._sequence, round(time.time(), 3), kind, detail)
        os.write(self._file, json.dumps(asdict(event), ensure_ascii=False).encode() + b"\n")
        os.fsync(self._file)
