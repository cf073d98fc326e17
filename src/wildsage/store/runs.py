"""Runs of jobs: what waits, what was launched, how far its journal became state."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from wildsage.store.database import Database, Transaction
from wildsage.store.resources import RESOURCE_COLUMNS, Key, Resource, resource_of
from wildsage.store.run_records import RunRecords

RunState = Literal["queued", "launched", "settled"]
TRAINING_JOB = "training-job"
PROCESSING_JOB = "processing-job"
"""Kinds of resources that have runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """One launch of a container: one host of a job.

    Attributes
    ----------
    id
        Grows with every run that is queued.
    host
        Which of the job's hosts it is, from 1.
    applied
        Sequence number of the last journal event that became state.
    stream_id
        The log stream of the run; None before its launch.
    """

    id: int
    run_id: str
    job: Key
    attempt: int
    host: int
    state: RunState
    applied: int
    stream_id: int | None


@dataclass(frozen=True, slots=True)
class Gang:
    """The runs of one attempt at a job, a host each. They wait, are launched and are settled together.

    Attributes
    ----------
    runs
        In the order of their hosts; never empty.
    """

    runs: tuple[Run, ...]

    @property
    def run_id(self) -> str:
        """The id of the first host's run: it stands for all of them."""
        return self.runs[0].run_id

    @property
    def number(self) -> int:
        """The number of the first host's run: no other gang has it."""
        return self.runs[0].id

    @property
    def job(self) -> Key:
        """The job."""
        return self.runs[0].job

    @property
    def attempt(self) -> int:
        """Which attempt at the job it is, from 1."""
        return self.runs[0].attempt

    @property
    def state(self) -> RunState:
        """The state of all runs."""
        return self.runs[0].state

    @property
    def next_run_id(self) -> str:
        """The `run_id` of the next attempt."""
        return f"{self.run_id.rpartition('.')[0]}.{self.attempt + 1}"


def first_run_id(prefix: str, at: float) -> str:
    """Return a new id for the first run of a job; the last part counts its attempts.

    Ids grow with time: the index over them grows at its end, where a commit touches one page for all its works.
    """
    return f"{prefix}-{round(at * 1000):012x}{secrets.token_hex(10)}.1"


_COLUMNS = (
    "id", "run_id", "account", "region", "kind", "job_name", "attempt", "host", "state", "applied", "stream_id",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM job_run"  # noqa: S608 - constant columns
_SELECT_WITH_JOBS = (
    f"SELECT {', '.join(f'job_run.{column}' for column in _COLUMNS)},"  # noqa: S608 - constant columns
    f" {', '.join(f'resource.{column}' for column in RESOURCE_COLUMNS)} FROM job_run JOIN resource"
    " ON resource.account = job_run.account AND resource.region = job_run.region"
    " AND resource.kind = job_run.kind AND resource.name = job_run.job_name"
)

_OF_JOB = "account = ? AND region = ? AND kind = ? AND job_name = ?"


def _parameters(job: Key) -> tuple[str, str, str, str]:
    return (job.account, job.region, job.kind, job.name)


def _run(row: Sequence[Any]) -> Run:
    number, run_id, account, region, kind, job_name, attempt, host, state, applied, stream_id = row
    job = Key(account, region, kind, job_name)
    return Run(number, run_id, job, attempt, host, state, applied, stream_id)


def _attempt_of(pair: tuple[Run, Resource]) -> tuple[Key, int]:
    run, _ = pair
    return run.job, run.attempt


class Runs:
    """Access to the run table."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def unsettled(self, after_id: int = 0) -> list[Run]:
        """Return the runs that are not over and were queued after the one with this id, in their order."""
        rows = self.database.read(
            f"{_SELECT} WHERE state IN ('queued', 'launched') AND id > ? ORDER BY id",
            (after_id,),
        )
        return [_run(row) for row in rows]

    def unsettled_with_jobs(self, after_id: int = 0) -> list[tuple[Gang, Resource]]:
        """Return the same by attempts, each with its job, as it is at this moment."""
        rows = self.database.read(
            f"{_SELECT_WITH_JOBS} WHERE state IN ('queued', 'launched') AND job_run.id > ?"
            " ORDER BY job_run.id",
            (after_id,),
        )
        middle = len(_COLUMNS)
        found = [(_run(row[:middle]), resource_of(row[middle:])) for row in rows]
        gangs = []
        for _, pairs in groupby(found, _attempt_of):  # the runs of an attempt are queued together
            runs, jobs = zip(*pairs, strict=True)
            gangs.append((Gang(runs), jobs[0]))
        return gangs

    def unsettled_gang(self, gang: Gang) -> Gang | None:
        """Return a gang as it is now; None if it is over."""
        rows = self.database.read(
            f"{_SELECT} WHERE {_OF_JOB} AND attempt = ? AND state <> 'settled' ORDER BY host",
            (*_parameters(gang.job), gang.attempt),
        )
        return Gang(tuple(map(_run, rows))) if rows else None

    def of(self, job: Key) -> list[Run]:
        """Return all runs of a job: those of the first attempt, in the order of the hosts, first."""
        rows = self.database.read(
            f"{_SELECT} WHERE {_OF_JOB} ORDER BY attempt, host",
            _parameters(job),
        )
        return [_run(row) for row in rows]

    def is_known(self, run_id: str) -> bool:
        """Tell whether the run's job is still there."""
        return self.database.read_one("SELECT 1 FROM job_run WHERE run_id = ?", (run_id,)) is not None

    def stopping(self) -> set[str]:
        """Return the ids of the runs that are not over and whose job is asked to stop."""
        rows = self.database.read(
            "SELECT run_id FROM job_run JOIN resource"
            " ON resource.account = job_run.account AND resource.region = job_run.region"
            " AND resource.name = job_run.job_name AND resource.kind = job_run.kind"
            " WHERE state IN ('queued', 'launched') AND resource.status = 'Stopping'"
        )
        return {row["run_id"] for row in rows}

    @staticmethod
    def queue(
        transaction: Transaction, run_id: str, job: Key, attempt: int, at: float, hosts: int = 1
    ) -> None:
        """Store a new run for each host, that wait for their launch; the first one gets `run_id`."""
        for host in range(1, hosts + 1):
            own_id = run_id if host == 1 else f"{run_id}-{host}"
            transaction.execute(
                "INSERT INTO job_run"
                " (run_id, account, region, kind, job_name, attempt, host, state, queued_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
                (own_id, *_parameters(job), attempt, host, at),
            )

    @staticmethod
    def mark_launched(transaction: Transaction, run_id: str, stream_id: int) -> None:
        """Say that the run's folder is complete and its supervisor may exist."""
        transaction.execute(
            "UPDATE job_run SET state = 'launched', stream_id = ? WHERE run_id = ?", (stream_id, run_id)
        )

    @staticmethod
    def mark_applied(transaction: Transaction, run_id: str, sequence: int) -> None:
        """Say that the journal became state up to `sequence`."""
        transaction.execute("UPDATE job_run SET applied = ? WHERE run_id = ?", (sequence, run_id))

    @staticmethod
    def mark_settled(transaction: Transaction, gang: Gang) -> None:
        """Say that nothing of the runs is left to do."""
        for run in gang.runs:
            transaction.execute("UPDATE job_run SET state = 'settled' WHERE run_id = ?", (run.run_id,))

    @staticmethod
    def forget(transaction: Transaction, job: Key) -> None:
        """Remove the runs of a job that is deleted, and what is known of them."""
        RunRecords.forget(transaction, job)
        transaction.execute(f"DELETE FROM job_run WHERE {_OF_JOB}", _parameters(job))  # noqa: S608 - a constant
