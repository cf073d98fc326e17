"""Python environments for framework images: built once from a lock, kept in the cache, shared read-only.

Guarantees
----------
- `Environments.is_ready` is true only for an environment that was built to its end: a marker file is
  written last.
- One builder at a time: a lock file is held while an environment is built, also by the build's own
  processes. If the server dies in the middle, the next build waits for them and begins anew.
- A build that fails or is cancelled leaves nothing but its lock file.
- Wheels only: no code of a package runs while it is installed.

An environment is built at the path where it is used, because the scripts in its ``bin`` name it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsage.images.frameworks import EnvironmentSpec

OnLine = Callable[[str], None]

_MARKER = "wildsage.json"
_LINES_IN_ERROR = 15
_LOCK_POLL_SECONDS = 0.2
_LONGEST_LINE = 1 << 24
"""Of a build: pip names all versions of a package in one line."""


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment on the disk; `used_at` is when a container needed it last."""

    name: str
    path: Path
    used_at: float


class EnvironmentBuildError(Exception):
    """An environment could not be built. The text is for the user."""


Installer = Callable[[EnvironmentSpec, Path], Sequence[Sequence[str]]]
"""The commands that build an environment at a path."""


def pip_installer(spec: EnvironmentSpec, path: Path) -> Sequence[Sequence[str]]:
    """Build with the standard library's venv and the pip it brings: the user's pip configuration holds."""
    python = str(path / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    pip += ["--no-input", "--only-binary", ":all:", "--no-deps"]
    check = [python, "-c", f"import {', '.join(spec.imports)}"]
    return [[sys.executable, "-m", "venv", str(path)], [*pip, *spec.pins], check]


class Environments:
    """The environments of this machine.

    Parameters
    ----------
    cache
        The cache directory; environments lie below ``environments/`` in it and may be deleted at any
        time while no job runs.
    installer
        Makes the build commands.
    variables
        Set for these commands, besides what this process has: an environment has a pip of its own, which
        does not see the configuration of another environment.
    """

    def __init__(
        self, cache: Path, installer: Installer = pip_installer, variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = cache / "environments"
        self._installer = installer
        self._variables = variables or {}

    def python_path(self, spec: EnvironmentSpec) -> Path:
        """Return the interpreter of an environment, whether it is ready or not."""
        return self._path(spec) / "bin" / "python"

    def is_ready(self, spec: EnvironmentSpec) -> bool:
        """Tell whether the environment was built to its end."""
        return (self._path(spec) / _MARKER).is_file()

    def mark_used(self, spec: EnvironmentSpec) -> None:
        """Take note that a container is about to need the environment."""
        with contextlib.suppress(OSError):  # it serves to tell what nobody needs: no reason to fail
            os.utime(self._path(spec) / _MARKER)

    def built(self) -> list[BuiltEnvironment]:
        """Return the environments that were built to their end, by name."""
        found = []
        for marker in self.folder.glob(f"*/{_MARKER}"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                name = json.loads(marker.read_text())["environment"]
                found.append(BuiltEnvironment(name, marker.parent, marker.stat().st_mtime))
        return sorted(found, key=lambda one: one.name)

    def discard(self, built: BuiltEnvironment) -> bool:
        """Delete an environment unless it is being prepared, or was needed meanwhile; returns whether it went."""
        descriptor = os.open(self.folder / f"{built.path.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            marker = built.path / _MARKER
            if not _try_lock(descriptor) or not marker.exists() or marker.stat().st_mtime > built.used_at:
                return False
            marker.unlink()
            shutil.rmtree(built.path, ignore_errors=True)
            return True
        finally:
            os.close(descriptor)

    async def prepare(self, spec: EnvironmentSpec, on_line: OnLine) -> None:
        """Build the environment unless it is ready.

        Parameters
        ----------
        on_line
            Gets each line of the build's log, without its end.

        Raises
        ------
        EnvironmentBuildError
            With the last lines of the build, and what to do.
        """
        if self.is_ready(spec):
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._locked(spec, on_line) as lock:
            if not self.is_ready(spec):
                await self._build(spec, on_line, lock)

    def remove(self, spec: EnvironmentSpec) -> None:
        """Delete an environment; the next job that needs it builds it again."""
        path = self._path(spec)
        (path / _MARKER).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _path(self, spec: EnvironmentSpec) -> Path:
        return self.folder / spec.key

    async def _build(self, spec: EnvironmentSpec, on_line: OnLine, lock: int) -> None:
        path = self._path(spec)
        on_line(f"Preparing the environment {spec.name} (once; kept in {path})")
        ready = False
        try:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            for command in self._installer(spec, path):
                await _run(command, spec, on_line, lock, self._variables)
            marker = path / f".{_MARKER}"
            marker.write_text(json.dumps({"environment": spec.name, "pins": list(spec.pins)}, indent=1))
            marker.rename(path / _MARKER)
            ready = True
        finally:
            if not ready:
                # Not in a thread: a cancelled task must not leave before its files are gone.
                shutil.rmtree(path, ignore_errors=True)
        on_line(f"The environment {spec.name} is ready.")

    @contextlib.asynccontextmanager
    async def _locked(self, spec: EnvironmentSpec, on_line: OnLine) -> AsyncIterator[int]:
        """Hold the environment's lock file; yields its descriptor."""
        descriptor = os.open(self.folder / f"{spec.key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        told = False
        try:
            while not _try_lock(descriptor):
                if not told:
                    on_line(f"Waiting for the environment {spec.name}, which is being prepared already.")
                    told = True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield descriptor
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _run(
    command: Sequence[str], spec: EnvironmentSpec, on_line: OnLine, lock: int, variables: Mapping[str, str]
) -> None:
    """Run one build command to its end, or end it and all its children."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, **variables},
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
        lines = "\n".join(last)
        hint = f" {spec.hint}" if spec.hint else ""
        raise EnvironmentBuildError(
            f"the environment {spec.name} could not be prepared: {' '.join(command[:4])} … ended with exit code "
            f"{code}. Is a package index reachable?{hint} The next job that needs it tries again, and so does: "
            f"wildsage images prepare IMAGE_URI\n"
            f"{lines}"
        )
