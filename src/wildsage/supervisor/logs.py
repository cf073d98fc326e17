"""From a container's output to its log stream: lines, timestamps, bounds."""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wildsage.formats.logframes import LARGEST_MESSAGE, encode_frame, whole_length

TAIL_LINES = 20
_TAIL_CHARACTERS = 1024
_CHUNK_BYTES = 1 << 16
_SYNC_SECONDS = 1.0
_RATES = (10_000.0, 8.0 * 1024 * 1024)  # lines and bytes a second that a stream takes for ever
_BURSTS = (50_000.0, 64.0 * 1024 * 1024)  # and at once


class LineSplitter:
    r"""Cut a byte stream into lines.

    A line ends at ``\n``, ``\r\n`` or a lone ``\r`` (a progress bar); lines that a lone ``\r`` left empty
    are no lines. What is longer than a log event may be is cut into several.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False  # a part of the line that `_rest` goes on was returned already

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take in bytes and return the lines that are whole now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found = []
        for line in lines:
            found += self._parts(line, ends=True)
        # A progress bar shows without waiting for its end; its last "\r" may still belong to a "\r\n".
        before, mark, after = self._rest[:-1].rpartition(b"\r")
        if mark:
            found += self._parts(before, ends=False)
            self._rest = after + self._rest[-1:]
        while len(self._rest) > LARGEST_MESSAGE:
            found += self._parts(self._rest[:LARGEST_MESSAGE], ends=False)
            self._rest = self._rest[LARGEST_MESSAGE:]
        return found

    def flush(self) -> list[bytes]:
        """Return what came without an end."""
        rest, self._rest = self._rest, b""
        return self._parts(rest, ends=True) if rest else []

    def _parts(self, line: bytes, *, ends: bool) -> list[bytes]:
        parts = [
            part[start : start + LARGEST_MESSAGE]
            for part in line.split(b"\r")
            for start in range(0, len(part), LARGEST_MESSAGE)
        ]
        if not parts and ends and not self._begun:
            parts = [b""]
        self._begun = not ends and (self._begun or bool(parts))
        return parts


class Throttle:
    """Two token buckets, lines and bytes: what a flood may write, at once and in the long run."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tokens = list(_BURSTS)
        self._at = now()
        self.dropped = 0

    def admit(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines that may pass, and count those that may not."""
        now = self._now()
        for which, (rate, burst) in enumerate(zip(_RATES, _BURSTS, strict=True)):
            self._tokens[which] = min(burst, self._tokens[which] + rate * (now - self._at))
        self._at = now
        size = sum(map(len, lines))
        if len(lines) > self._tokens[0] or size > self._tokens[1]:
            self.dropped += len(lines)
            return []
        self._tokens[0] -= len(lines)
        self._tokens[1] -= size
        return lines

    def take_note(self) -> str | None:
        """Return the note on what was dropped since the last note."""
        if not self.dropped:
            return None
        count, self.dropped = self.dropped, 0
        return (
            f"[wildsage] {count} lines dropped: a log stream takes {_RATES[0]:.0f} lines and"
            f" {_RATES[1] / 2**20:.0f} MiB a second"
        )


class LogFile:
    """A stream's segment, appended to. A full disk loses lines, never the frames that are there.

    It is locked (flock) for as long as the process lives: what looks torn to the server may be just being
    written, so the server cuts nothing off then.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with path.open("rb") as file:
            os.ftruncate(self._file, whole_length(file))
        self._dirty = False

    def append(self, lines: list[bytes]) -> bool:
        """Write lines as events of this moment; False where the disk did not take them."""
        at = int(time.time() * 1000)
        frames = b"".join(encode_frame(at, line) for line in lines)
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            written = os.write(self._file, frames)
        except OSError:
            written = 0
        if written < len(frames):
            os.ftruncate(self._file, end)
            return False
        self._dirty = True
        return True

    def sync(self) -> None:
        """Make what was appended durable."""
        if self._dirty:
            with suppress(OSError):
                os.fdatasync(self._file)
            self._dirty = False


class LogPump(threading.Thread):
    """Carries a pipe's content into a log file until the pipe ends.

    Parameters
    ----------
    pipe
        The reading end; closed at the end.
    """

    def __init__(self, pipe: int, log: LogFile) -> None:
        super().__init__(name="log-pump", daemon=True)
        self._pipe = pipe
        self._log = log
        self._splitter = LineSplitter()
        self._throttle = Throttle()
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._synced_at = time.monotonic()
        os.set_blocking(pipe, True)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines. The pump may still run: what outlived its container can hold the pipe open."""
        lines = self._tail.copy()
        return tuple(line.decode("utf-8", "replace")[:_TAIL_CHARACTERS] for line in lines)

    def run(self) -> None:
        """Read until every writer has closed the pipe."""
        syncer = _Syncer(self._log)
        syncer.start()
        while chunk := os.read(self._pipe, _CHUNK_BYTES):
            self._take(self._splitter.feed(chunk))
        self._take(self._splitter.flush())
        self._note()
        syncer.finish()
        os.close(self._pipe)

    def _take(self, lines: list[bytes]) -> None:
        if not lines:
            return
        self._tail.extend(lines[-TAIL_LINES:])
        admitted = self._throttle.admit(lines)
        if admitted:
            self._note()
            if not self._log.append(admitted):
                self._throttle.dropped += len(admitted)

    def _note(self) -> None:
        note = self._throttle.take_note()
        if note is not None:
            self._log.append([note.encode()])


class _Syncer(threading.Thread):
    """Makes a log file durable once a second, so that a slow disk never holds up the container."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(name="log-sync", daemon=True)
        self._log = log
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_SYNC_SECONDS):
            self._log.sync()

    def finish(self) -> None:
        """Sync what is left and end."""
        self._over.set()
        self.join()
        self._log.sync()
