"""Runs of training jobs: what waits, what was launched, how far its journal became state."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wildsage.store.database import Database, Transaction
from wildsage.store.resources import RESOURCE_COLUMNS, Key, Resource, resource_of
from wildsage.store.run_records import RunRecords

RunState = Literal["queued", "launched", "settled"]
TRAINING_JOB = "training-job"


@dataclass(frozen=True, slots=True)
class Run:
    """One launch of a training job's container.

    Attributes
    ----------
    id
        Grows with every run that is queued.
    applied
        Sequence number of the last journal event that became state.
    stream_id
        The log stream of the run; None before its launch.
    """

    id: int
    run_id: str
    job: Key
    attempt: int
    state: RunState
    applied: int
    stream_id: int | None


def first_run_id(at: float) -> str:
    """Return a new id for the first run of a job; the last part counts its attempts.

    Ids grow with time: the index over them grows at its end, where a commit touches one page for all its works.
    """
    return f"train-{round(at * 1000):012x}{secrets.token_hex(10)}.1"


_COLUMNS = ("id", "run_id", "account", "region", "job_name", "attempt", "state", "applied", "stream_id")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM training_run"  # noqa: S608 - constant columns
_SELECT_WITH_JOBS = (
    f"SELECT {', '.join(f'training_run.{column}' for column in _COLUMNS)},"  # noqa: S608 - constant columns
    f" {', '.join(f'resource.{column}' for column in RESOURCE_COLUMNS)} FROM training_run JOIN resource"
    " ON resource.account = training_run.account AND resource.region = training_run.region"
    " AND resource.kind = ? AND resource.name = training_run.job_name"
)


def _run(row: Sequence[Any]) -> Run:
    number, run_id, account, region, job_name, attempt, state, applied, stream_id = row
    job = Key(account, region, TRAINING_JOB, job_name)
    return Run(number, run_id, job, attempt, state, applied, stream_id)


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

    def unsettled_with_jobs(self, after_id: int = 0) -> list[tuple[Run, Resource]]:
        """Return the same, each with its job, as it is at this moment."""
        rows = self.database.read(
            f"{_SELECT_WITH_JOBS} WHERE state IN ('queued', 'launched') AND training_run.id > ?"
            " ORDER BY training_run.id",
            (TRAINING_JOB, after_id),
        )
        middle = len(_COLUMNS)
        return [(_run(row[:middle]), resource_of(row[middle:])) for row in rows]

    def unsettled_run(self, run_id: str) -> Run | None:
        """Return a run as it is now; None if it is over."""
        row = self.database.read_one(f"{_SELECT} WHERE run_id = ? AND state <> 'settled'", (run_id,))
        return None if row is None else _run(row)

    def of(self, job: Key) -> list[Run]:
        """Return all runs of a job, the first attempt first."""
        rows = self.database.read(
            f"{_SELECT} WHERE account = ? AND region = ? AND job_name = ? ORDER BY attempt",
            (job.account, job.region, job.name),
        )
        return [_run(row) for row in rows]

    def is_known(self, run_id: str) -> bool:
        """Tell whether the run's job is still there."""
        return self.database.read_one("SELECT 1 FROM training_run WHERE run_id = ?", (run_id,)) is not None

    def stopping(self) -> set[str]:
        """Return the ids of the runs that are not over and whose job is asked to stop."""
        rows = self.database.read(
            "SELECT run_id FROM training_run JOIN resource"
            " ON resource.account = training_run.account AND resource.region = training_run.region"
            " AND resource.name = training_run.job_name AND resource.kind = ?"
            " WHERE state IN ('queued', 'launched') AND resource.status = 'Stopping'",
            (TRAINING_JOB,),
        )
        return {row["run_id"] for row in rows}

    @staticmethod
    def queue(transaction: Transaction, run_id: str, job: Key, attempt: int, at: float) -> None:
        """Store a new run that waits for its launch."""
        transaction.execute(
            "INSERT INTO training_run (run_id, account, region, job_name, attempt, state, queued_at)"
            " VALUES (?, ?, ?, ?, ?, 'queued', ?)",
            (run_id, job.account, job.region, job.name, attempt, at),
        )

    @staticmethod
    def mark_launched(transaction: Transaction, run_id: str, stream_id: int) -> None:
        """Say that the run's folder is complete and its supervisor may exist."""
        transaction.execute(
            "UPDATE training_run SET state = 'launched', stream_id = ? WHERE run_id = ?", (stream_id, run_id)
        )

    @staticmethod
    def mark_applied(transaction: Transaction, run_id: str, sequence: int) -> None:
        """Say that the journal became state up to `sequence`."""
        transaction.execute("UPDATE training_run SET applied = ? WHERE run_id = ?", (sequence, run_id))

    @staticmethod
    def mark_settled(transaction: Transaction, run_id: str) -> None:
        """Say that nothing of the run is left to do."""
        transaction.execute("UPDATE training_run SET state = 'settled' WHERE run_id = ?", (run_id,))

    @staticmethod
    def forget(transaction: Transaction, job: Key) -> None:
        """Remove the runs of a job that is deleted, and what is known of them."""
        RunRecords.forget(transaction, job)
        transaction.execute(
            "DELETE FROM training_run WHERE account = ? AND region = ? AND job_name = ?",
            (job.account, job.region, job.name),
        )
