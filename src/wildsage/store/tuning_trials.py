"""Trials of hyperparameter tuning jobs: planned, running, ended.

A trial is one training job at one point of the search. It is planned here, with its point and the name of its training
job, before that is made: whoever finds it planned makes the training job under that name, or finds it made.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Literal

from wildsage.store.database import Database, Transaction
from wildsage.store.resources import Key

TUNING_JOB = "hyper-parameter-tuning-job"
"""Kind of resource, and the topic that is notified when one is made or asked to stop."""

TrialState = Literal["planned", "running", "ended"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended: what is known of it when its training job is deleted.

    Attributes
    ----------
    status
        Of the training job.
    objective
        The last value of the objective metric; None: there was none.
    created_at, started_at, ended_at
        Of the training job; it may never have started.
    """

    status: str
    objective: float | None
    reason: str
    created_at: float
    started_at: float | None
    ended_at: float


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial.

    Attributes
    ----------
    number
        From 1, in the order in which they were planned.
    definition
        Name of its training job definition; empty where the tuning job has but one.
    outcome
        None: it has not ended.
    """

    number: int
    definition: str
    training_job: str
    point: Mapping[str, str]
    planned_at: float
    state: TrialState = "planned"
    outcome: Outcome | None = None


_MOST_KEPT = 20_000
"""Trials that have ended and are kept in memory, of all tuning jobs together but the one that was read last."""

_COLUMNS = "number, definition, training_job, point, planned_at, state, outcome"
_OF_JOB = "account = ? AND region = ? AND tuning_job = ?"


def _parameters(job: Key) -> tuple[str, str, str]:
    return (job.account, job.region, job.name)


class TuningTrials:
    """Access to the trials. Reads are immediate; changes happen inside a `Transaction`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ended: dict[Key, list[TrialRecord]] = {}

    def of(self, job: Key) -> list[TrialRecord]:
        """Return all trials of a tuning job, in the order of their numbers.

        What has ended does not change: the first trials, up to one that has not, are read once.
        """
        known = self._ended.pop(job, [])
        found = self._from(known[-1].number if known else 1, job)
        if known and found[:1] != known[-1:]:  # they were deleted, and others have their numbers
            known, found = [], self._from(1, job)
        self._keep(job, [*known[:-1], *takewhile(lambda one: one.state == "ended", found)])
        return [*known[:-1], *found]

    def _from(self, number: int, job: Key) -> list[TrialRecord]:
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM tuning_trial WHERE {_OF_JOB} AND number >= ? ORDER BY number",  # noqa: S608 - a constant
            (*_parameters(job), number),
        )
        return [_record(row) for row in rows]

    def _keep(self, job: Key, ended: list[TrialRecord]) -> None:
        """Remember trials that have ended; where there are too many, forget those that were not asked for longest."""
        if ended:
            self._ended[job] = ended
        while sum(map(len, self._ended.values())) > _MOST_KEPT and len(self._ended) > 1:
            del self._ended[next(iter(self._ended))]

    def reports(self, job: Key) -> dict[int, tuple[float, ...]]:
        """Return all that trials of a tuning job which have ended reported, by their numbers; most are never asked."""
        rows = self.database.read(
            f"SELECT number, reports FROM tuning_trial WHERE {_OF_JOB} AND reports IS NOT NULL",  # noqa: S608 - a constant
            _parameters(job),
        )
        return {row["number"]: tuple(json.loads(row["reports"])) for row in rows}

    def unfinished(self) -> list[Key]:
        """Return the tuning jobs that are not over, of all accounts and regions."""
        rows = self.database.read(
            f"SELECT account, region, name FROM resource WHERE kind = '{TUNING_JOB}'"  # noqa: S608 - a constant
            " AND status IN ('InProgress', 'Stopping') ORDER BY id"
        )
        return [Key(row["account"], row["region"], TUNING_JOB, row["name"]) for row in rows]

    @staticmethod
    def unfinished_beside(transaction: Transaction, job: Key) -> int:
        """Count the other tuning jobs of the account and region that are not over."""
        (count,) = transaction.execute(
            "SELECT count(*) FROM resource WHERE account = ? AND region = ? AND kind = ? AND name <> ?"
            " AND status IN ('InProgress', 'Stopping')",
            (job.account, job.region, TUNING_JOB, job.name),
        ).fetchone()
        return int(count)

    def with_ended_jobs(self) -> set[Key]:
        """Return the tuning jobs that have a trial whose training job is over, and that was not noted yet."""
        rows = self.database.read(
            "SELECT DISTINCT t.account, t.region, t.tuning_job FROM tuning_trial t LEFT JOIN resource r"
            " ON r.account = t.account AND r.region = t.region AND r.kind = 'training-job'"
            # The index is of trials that have not ended.
            " AND r.name = t.training_job WHERE t.state <> 'ended' AND t.state = 'running'"
            " AND (r.id IS NULL OR r.status IN ('Completed', 'Failed', 'Stopped'))"
        )
        return {Key(row["account"], row["region"], TUNING_JOB, row["tuning_job"]) for row in rows}

    @staticmethod
    def fetch(transaction: Transaction, job: Key) -> list[TrialRecord]:
        """Return what `of` returns, as this transaction sees it."""
        rows = transaction.execute(
            f"SELECT {_COLUMNS} FROM tuning_trial WHERE {_OF_JOB} ORDER BY number",  # noqa: S608 - a constant
            _parameters(job),
        ).fetchall()
        return [_record(row) for row in rows]

    @staticmethod
    def plan(transaction: Transaction, job: Key, trials: Iterable[TrialRecord]) -> None:
        """Store trials whose training jobs are to be made."""
        transaction.executemany(
            "INSERT INTO tuning_trial"
            " (account, region, tuning_job, number, definition, training_job, point, state, planned_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?)",
            [
                (
                    *_parameters(job),
                    one.number,
                    one.definition,
                    one.training_job,
                    json.dumps(dict(one.point), ensure_ascii=False),
                    one.planned_at,
                )
                for one in trials
            ],
        )

    @staticmethod
    def mark_running(transaction: Transaction, job: Key, number: int) -> None:
        """Say that the training job of a trial is made."""
        transaction.execute(
            f"UPDATE tuning_trial SET state = 'running' WHERE {_OF_JOB} AND number = ? AND state = 'planned'",  # noqa: S608 - a constant
            (*_parameters(job), number),
        )

    @staticmethod
    def end(
        transaction: Transaction,
        job: Key,
        number: int,
        outcome: Outcome,
        reports: Sequence[float] | None = None,
    ) -> None:
        """Say how a trial ended, and where it was judged what it reported."""
        transaction.execute(
            f"UPDATE tuning_trial SET state = 'ended', outcome = ?, reports = ? WHERE {_OF_JOB} AND number = ?",  # noqa: S608 - a constant
            (
                json.dumps(asdict(outcome), ensure_ascii=False),
                None if reports is None else json.dumps(list(reports)),
                *_parameters(job),
                number,
            ),
        )

    @staticmethod
    def drop(transaction: Transaction, job: Key, number: int) -> None:
        """Remove a trial that was planned, and whose training job is not made any more."""
        transaction.execute(
            f"DELETE FROM tuning_trial WHERE {_OF_JOB} AND number = ? AND state = 'planned'",  # noqa: S608 - a constant
            (*_parameters(job), number),
        )

    @staticmethod
    def forget(transaction: Transaction, job: Key) -> None:
        """Remove all trials of a tuning job that is deleted."""
        transaction.execute(f"DELETE FROM tuning_trial WHERE {_OF_JOB}", _parameters(job))  # noqa: S608 - a constant


def _record(row: sqlite3.Row) -> TrialRecord:
    return TrialRecord(
        number=row["number"],
        definition=row["definition"],
        training_job=row["training_job"],
        point=json.loads(row["point"]),
        planned_at=row["planned_at"],
        state=row["state"],
        outcome=None if row["outcome"] is None else Outcome(**json.loads(row["outcome"])),
    )
