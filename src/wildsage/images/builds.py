"""Folders that are built once by commands, kept in the cache and shared read-only.

Guarantees
----------
- A folder is ready only when it was built to its end: a marker file is written last.
- One builder at a time: a lock file is held while a folder is built, also by the build's own processes. If
  the server dies in the middle, the next build waits for them and begins anew.
- A build that fails or is cancelled leaves nothing but its lock file and its log.

A folder is built at the path where it is used, because the scripts in its ``bin`` name it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

OnLine = Callable[[str], None]

MARKER = "wildsage.json"
_LINES_IN_ERROR = 15
_LOCK_POLL_SECONDS = 0.2
_LONGEST_LINE = 1 << 24
"""Of a build: pip names all versions of a package in one line."""


@dataclass(frozen=True, slots=True)
class Build:
    """What makes one folder.

    Attributes
    ----------
    what
        For whoever reads the log, e.g. ``the environment sklearn-1.2``.
    name
        As lists of what is there show it.
    key
        Name of the folder: other content, another key.
    commands
        The commands that build it at a path.
    facts
        Kept in the marker.
    """

    what: str
    name: str
    key: str
    commands: Callable[[Path], Sequence[Sequence[str]]]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """A folder that was built to its end; `used_at` is when a container needed it last."""

    name: str
    path: Path
    used_at: float


class BuildFailedError(Exception):
    """A command of a build ended with an error.

    Parameters
    ----------
    command
        Its first words.
    lines
        The last that it said.
    log
        Where all lines are.
    """

    def __init__(self, command: Sequence[str], exit_code: int, lines: Sequence[str], log: Path) -> None:
        self.command = " ".join(command[:4])
        self.exit_code = exit_code
        self.lines = lines
        self.log = log
        super().__init__(f"{self.command} … ended with exit code {exit_code}")


class BuiltFolders:
    """The folders of one place.

    Parameters
    ----------
    folder
        May be deleted at any time while no job runs.
    variables
        Set for the commands, besides what this process has.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._variables = variables or {}

    def path(self, key: str) -> Path:
        """Return where a folder is, or would be."""
        return self.folder / key

    def log(self, key: str) -> Path:
        """Return where the log of the last build is."""
        return self.folder / f"{key}.log"

    def is_ready(self, key: str) -> bool:
        """Tell whether the folder was built to its end."""
        return (self.path(key) / MARKER).is_file()

    def mark_used(self, key: str) -> None:
        """Take note that a container is about to need the folder."""
        with contextlib.suppress(OSError):  # it serves to tell what nobody needs: no reason to fail
            os.utime(self.path(key) / MARKER)

    def built(self) -> list[Built]:
        """Return what was built to its end, by name."""
        found = []
        for marker in self.folder.glob(f"*/{MARKER}"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                name = json.loads(marker.read_text())["environment"]
                found.append(Built(name, marker.parent, marker.stat().st_mtime))
        return sorted(found, key=lambda one: one.name)

    def discard(self, built: Built) -> bool:
        """Delete a folder unless it is being built, or was needed meanwhile; returns whether it went."""
        key = built.path.name
        descriptor = os.open(self._lock(key), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            marker = built.path / MARKER
            if not _try_lock(descriptor) or not marker.exists() or marker.stat().st_mtime > built.used_at:
                return False
            self.remove(key)
            return True
        finally:
            os.close(descriptor)

    def remove(self, key: str) -> None:
        """Delete a folder; whoever needs it next builds it again."""
        (self.path(key) / MARKER).unlink(missing_ok=True)
        shutil.rmtree(self.path(key), ignore_errors=True)
        self.log(key).unlink(missing_ok=True)

    async def prepare(self, build: Build, on_line: OnLine) -> None:
        """Build the folder unless it is ready.

        Parameters
        ----------
        on_line
            Gets each line of the build's log, without its end.

        Raises
        ------
        BuildFailedError
            With the last lines of the build.
        """
        if self.is_ready(build.key):
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._locked(build, on_line) as lock:
            if not self.is_ready(build.key):
                await self._build(build, on_line, lock)

    async def _build(self, build: Build, on_line: OnLine, lock: int) -> None:
        path = self.path(build.key)
        ready = False
        with self.log(build.key).open("w", encoding="utf-8") as log:
            say = _both(on_line, log)
            say(f"Preparing {build.what} (once; kept in {path})")
            try:
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
                for command in build.commands(path):
                    await self._run(command, build, say, lock)
                marker = path / f".{MARKER}"
                marker.write_text(json.dumps({"environment": build.name, **build.facts}, indent=1))
                marker.rename(path / MARKER)
                ready = True
            finally:
                if not ready:
                    # Not in a thread: a cancelled task must not leave before its files are gone.
                    shutil.rmtree(path, ignore_errors=True)
            say(f"{build.what[0].upper()}{build.what[1:]} is ready.")

    def _lock(self, key: str) -> Path:
        return self.folder / f"{key}.lock"

    @contextlib.asynccontextmanager
    async def _locked(self, build: Build, on_line: OnLine) -> AsyncIterator[int]:
        """Hold the folder's lock file; yields its descriptor."""
        descriptor = os.open(self._lock(build.key), os.O_RDWR | os.O_CREAT, 0o600)
        told = False
        try:
            while not _try_lock(descriptor):
                if not told:
                    on_line(f"Waiting for {build.what}, which is being prepared already.")
                    told = True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield descriptor
        finally:
            os.close(descriptor)

    async def _run(self, command: Sequence[str], build: Build, on_line: OnLine, lock: int) -> None:
        """Run one command to its end, or end it and all its children."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **self._variables},
            pass_fds=(lock,),
            limit=_LONGEST_LINE,
        )
        last: deque[str] = deque(maxlen=_LINES_IN_ERROR)
        try:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                text = line.decode(errors="replace").rstrip()
                last.append(text)
                on_line(text)
            code = await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code:
            raise BuildFailedError(command, code, list(last), self.log(build.key))


def _both(on_line: OnLine, log: TextIO) -> OnLine:
    def say(line: str) -> None:
        log.write(line + "\n")
        log.flush()
        on_line(line)

    return say


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
