"""The log of a server: one line per event, as JSON for machines or as text for people; kept small.

A line of JSON always has ``time`` (ISO 8601, UTC), ``level``, ``logger`` and ``message``; what an event knows
besides stands beside them under its own name (`wildsage.aws.request_log` says which a request has). A fault of
our own has its ``traceback``.
"""

import contextlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Literal, TextIO

from wildsage.core.clock import iso8601

LogFormat = Literal["text", "json"]
FORMATS: tuple[LogFormat, ...] = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
LARGEST_LOG = 16 * 1024 * 1024
_CHECKS = 16


def log_to(path: Path, form: LogFormat = "text", level: str = "info") -> None:
    """Send everything this process logs to its standard error, in one form.

    Parameters
    ----------
    path
        The log of a server in the background: where the standard error is this file, it is kept small.
    """
    handler = BoundedLog(path)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # What the libraries debug is theirs: only our own rooms say more than warnings.
    logging.getLogger("wildsage").setLevel(level.upper())


class JsonLines(logging.Formatter):
    """One JSON object per event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, Any] = {
            "time": iso8601(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"), default=str)


class TextLines(logging.Formatter):
    """Time, level, logger and message; then what the event knows, as NAME=VALUE. Line breaks are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it a traceback where there is one."""
        message = record.getMessage().replace("\\", r"\\").replace("\r", r"\r").replace("\n", r"\n")
        parts = [iso8601(record.created), record.levelname, f"{record.name}:", message]
        parts += [f"{name}={value}" for name, value in _fields(record).items() if value is not None]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


class BoundedLog(logging.StreamHandler[TextIO]):
    """Writes to the standard error; where that is the log of a server in the background, keeps it small.

    Above `LARGEST_LOG` bytes its content moves to a second file (``.log.1``), in the place of what was there. The
    file itself stays: whoever has it open appends to it, and what Python says when it dies goes there too.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._unchecked = 0

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = super().format(record)
        self._unchecked += len(line)
        return line

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        super().emit(record)
        if self._unchecked < LARGEST_LOG // _CHECKS:  # to look costs more than to write
            return
        self._unchecked = 0
        with contextlib.suppress(OSError):
            status = os.fstat(self.stream.fileno())
            if status.st_size > LARGEST_LOG and os.path.samestat(status, self._path.stat()):
                shutil.copy(self._path, self._path.with_suffix(".log.1"))
                os.truncate(self._path, 0)
