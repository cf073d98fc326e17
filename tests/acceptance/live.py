"""A server as a user starts it, and programs that are brought to it as a user brings them."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from wildsage.store.layout import Layout

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
REGION = "us-west-2"
ROLE = "arn:aws:iam::123456789012:role/service-role/MySageMakerRole"
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended well, and where its processes connected to."""

    stdout: str
    stderr: str
    seconds: float
    contacted: tuple[str, ...]

    @property
    def outside(self) -> list[str]:
        """What was contacted, or only looked up, that is not this machine."""
        return sorted({host for host in self.contacted if not _is_loopback(host)})


@dataclass(frozen=True, slots=True)
class Live:
    """A data directory with a server on it.

    Attributes
    ----------
    environ
        What all programs run in; nothing of the environment of the tests themselves passes.
    """

    layout: Layout
    environ: Mapping[str, str]

    # The server

    def wildsage(self, *arguments: str, timeout: float = 60) -> str:
        """Run a subcommand and return what it printed."""
        done = subprocess.run(
            self._command(*arguments),
            env=dict(self.environ),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"wildsage {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def said(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        return json.loads(self.layout.server.read_text())

    def kill(self) -> None:
        """End the server as a power cut would."""
        pid = self.said()["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: not _is_alive(pid), "the end of the killed server", seconds=10)

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a boto3 client of the tests' own, with the owner's keys, straight to the server."""
        keys = json.loads(self.layout.credentials.read_text())
        return boto3.session.Session().client(
            service,
            region_name=region,
            endpoint_url=self.said()["url"],
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    # Programs

    def run(
        self,
        *command: str,
        cwd: Path,
        environ: Mapping[str, str] | None = None,
        brought: bool = True,
        options: Sequence[str] = (),
        timeout: float = 300,
    ) -> Finished:
        """Run a program to its end under ``wildsage run``; it must end with exit code 0.

        Parameters
        ----------
        environ
            Variables besides `Live.environ`.
        brought
            False: run it without ``wildsage run``, for comparison.
        options
            Of ``wildsage run``.
        """
        began = time.monotonic()
        process = self.start(*command, cwd=cwd, environ=environ, brought=brought, options=options)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.terminate()
            stdout, stderr = process.communicate(timeout=20)
            raise AssertionError(
                f"{command} ran longer than {timeout} s\n{stdout[-3000:]}\n{stderr[-6000:]}"
            ) from None
        assert process.returncode == 0, (
            f"{command} ended with {process.returncode}\n{stdout[-3000:]}\n{stderr[-6000:]}"
        )
        notes = cwd / "connections.txt"
        contacted = (
            tuple(line.split()[0] for line in notes.read_text().splitlines()) if notes.exists() else ()
        )
        return Finished(stdout, stderr, time.monotonic() - began, contacted)

    def start(
        self,
        *command: str,
        cwd: Path,
        environ: Mapping[str, str] | None = None,
        brought: bool = True,
        options: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Start a program as `run` does, without waiting for it."""
        watched = {"PYTHONPATH": str(FOLDER / "watch"), "WATCH_CONNECTIONS": str(cwd / "connections.txt")}
        return subprocess.Popen(
            self._command("run", *options, "--", *command) if brought else command,
            env={**self.environ, **watched, **(environ or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _command(self, subcommand: str, *arguments: str) -> list[str]:
        program = str(Path(sys.executable).with_name("wildsage"))
        return [program, subcommand, "--data-dir", str(self.layout.root), *arguments]


def until(question: Callable[[], Answer], what: str, *, seconds: float = 60) -> Answer:
    """Ask until the answer is true, and return it.

    Raises
    ------
    AssertionError
        If it is not in time.
    """
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.05)
    return answer


def is_calm() -> bool:
    """Tell whether this machine has time enough for a figure to mean something."""
    return os.getloadavg()[0] <= 2 * (os.cpu_count() or 1)


def processes_of(folder: Path) -> dict[int, str]:
    """Return the command lines, by process id, of all processes that name a folder."""
    entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    lines = {int(entry.name): _command_line(entry) for entry in entries}
    return {pid: line for pid, line in lines.items() if str(folder) in line}


def numbered(lines: Sequence[str], prefix: str) -> Iterator[int]:
    """Yield N of each line that ends in ``PREFIX N``."""
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[-2] == prefix and words[-1].isdigit():
            yield int(words[-1])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
