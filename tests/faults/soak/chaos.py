"""Kills workers, supervisors and the server at random moments."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from tests.faults.platform import CONTAINER, Platform
from tests.faults.soak.ledger import Kill, Ledger

PACE = 3.0
"""Mean seconds between two kills."""
SERVER_SHARE = 0.5


class Chaos:
    """What kills. One step at a time."""

    def __init__(self, platform: Platform, ledger: Ledger, seed: int) -> None:
        self._platform, self._ledger = platform, ledger
        self._random = random.Random(seed)

    def pause(self) -> float:
        """Return the seconds until the next kill."""
        return self._random.expovariate(1 / PACE)

    def strike(self, *, server: bool) -> None:
        """Kill something: the server as well where `server` says so."""
        if server and self._random.random() < SERVER_SHARE:
            kill = Kill("server", time.monotonic())
            self._ledger.kills.append(kill)
            kill.back = self._platform.restart()
            return
        supervisors = self._platform.supervisors()
        if not supervisors:
            return
        supervisor = self._random.choice(supervisors)
        job = self._job_of(supervisor)
        if job is not None:
            self._ledger.disturbed_jobs.add(job)  # before it is killed: its end may be seen at once
        target, part = supervisor, "supervisor"
        if self._random.random() < 0.5:
            containers = _containers_of(supervisor)
            if containers:
                target, part = self._random.choice(containers), "container"
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, signal.SIGKILL)
            kind = "endpoint's" if job is None else "job's"
            self._ledger.kills.append(Kill(f"{kind} {part}", time.monotonic()))

    def _job_of(self, supervisor: int) -> str | None:
        """Name of the job whose run a supervisor carries; None: it carries a worker of an endpoint."""
        runs, folder = os.fsencode(self._platform.layout.runs), None
        with contextlib.suppress(
            OSError
        ):  # it has ended meanwhile; one that is not waited for has no arguments
            arguments = Path(f"/proc/{supervisor}/cmdline").read_bytes().split(b"\0")
            folder = next((word for word in arguments if word.startswith(runs)), None)
        if folder is None:
            return None
        rows = self._platform.rows(
            "state.db", "SELECT job_name FROM job_run WHERE run_id = ?", Path(os.fsdecode(folder)).name
        )
        return rows[0]["job_name"] if rows else None


def _containers_of(supervisor: int) -> list[int]:
    """Process ids of the containers below a supervisor."""
    parents, containers = {}, set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (process / "stat").read_text().rpartition(")")[2].split()
                parents[int(process.name)] = int(stat[1])
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(CONTAINER) in arguments and b"wildsage.supervisor" not in arguments:
                    containers.add(int(process.name))
    found = []
    for process_id in containers:
        ancestor = process_id
        while ancestor in parents and ancestor != supervisor:
            ancestor = parents[ancestor]
        if ancestor == supervisor:
            found.append(process_id)
    return found
