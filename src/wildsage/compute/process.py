"""A running container, as every backend hands it out."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from wildsage.compute.base import LaunchError
from wildsage.compute.limits import Confinement
from wildsage.compute.orphans import reap_orphan

_PATIENCE_SECONDS = 2.0
_STEP_SECONDS = 0.002
_ORPHAN_PATIENCE_SECONDS = 5.0


class ContainerProcess:
    """A container whose outermost process is our child.

    Parameters
    ----------
    process
        The outermost process. Everything in the container ends with it, if not before.
    status
        A pipe on which that process reports JSON lines in bubblewrap's form: ``child-pid`` (leader of the
        command's process group) and, once the command ran, ``exit-code``.
    """

    def __init__(self, process: subprocess.Popen[bytes], status: int, confinement: Confinement) -> None:
        self._process = process
        self._status = status
        self._confinement = confinement
        self._report: dict[str, Any] = {}
        self._unread = b""
        self._killed = self._terminated = False
        os.set_blocking(status, False)

    @property
    def limits(self) -> Mapping[str, str]:
        """Which mechanism holds each limit."""
        return self._confinement.report

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; see `wildsage.compute.base.Process`."""
        if not self._ended_within(timeout):
            return None
        code = self._process.wait()
        if self._status >= 0:
            self._read_status()
        if "child-pid" in self._report:
            reap_orphan(self._report["child-pid"], _ORPHAN_PATIENCE_SECONDS)
        # A command that SIGTERM ended on its way to exec counts as begun.
        is_ended_by_us = self._killed or (self._terminated and code == 128 + signal.SIGTERM)
        if code > 0 and "exit-code" not in self._report and not is_ended_by_us:
            raise LaunchError(f"the sandbox could not be set up (its launcher ended with code {code})")
        if code < 0:
            return 128 - code
        return int(self._report.get("exit-code", code))

    def terminate(self) -> bool:
        """Send SIGTERM to the command's process group; see `wildsage.compute.base.Process`."""
        leader = self._leader()
        if self._process.poll() is not None:
            return True
        if leader is None or not self._has_command(leader):
            return False
        self._terminated = True
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGTERM)
        return True

    def kill(self) -> None:
        """End every process of the container: its PID namespace dies with the first process in it."""
        leader = self._leader()
        if self._process.poll() is None:
            self._killed = True
            if leader is not None:
                # A start that is still under way does not notice that the outermost process is gone.
                with suppress(ProcessLookupError):
                    os.kill(leader, signal.SIGKILL)
            self._process.kill()

    def out_of_memory(self) -> bool:
        """Tell whether the kernel killed at the memory limit."""
        return self._confinement.out_of_memory()

    def release(self) -> None:
        """Remove the control groups and close the status pipe."""
        self._confinement.release()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    def _ended_within(self, timeout: float | None) -> bool:
        if self._process.poll() is not None:
            return True
        descriptor = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([descriptor], [], [], timeout)[0])
        finally:
            os.close(descriptor)

    def _has_command(self, leader: int) -> bool:
        """Wait a moment for the command: the first process of a PID namespace takes no notice of SIGTERM."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        children = Path(f"/proc/{leader}/task/{leader}/children")
        with suppress(OSError):  # the end came, or the kernel does not tell
            while not children.read_text() and not self._ended_within(_STEP_SECONDS):
                if time.monotonic() > deadline:
                    return False
        return True

    def _leader(self) -> int | None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._status >= 0 and "child-pid" not in self._report and self._process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._status], [], [], left)[0] or not self._read_status():
                break
        return self._report.get("child-pid")

    def _read_status(self) -> bool:
        """Take in what was reported since the last call; False at the end of the reports."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._status, 65_536):
                self._unread += chunk
                *lines, self._unread = self._unread.split(b"\n")
                for line in lines:
                    self._report.update(json.loads(line))
            return False
        return True
