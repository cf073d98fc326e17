"""The event bus: a log in the state database, written with the changes that it reports.

A status and the event that reports it are one transaction: neither is there without the other. The number
of an event is its identity: it never changes and is never given to another one, so a consumer that sees an
event again after a crash knows it. What a resource looked like is kept as the text that was stored with it;
it becomes an event of AWS's shape when it is read (`wildsage.services.events.envelope`).

A consumer reads behind its position, does its work, and moves its position, in one transaction with what it
wrote where that is possible: then it does everything once, else at least once. Numbers have no gaps: where the
first event behind a position is not the next one, those between were too old to be kept.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wildsage.store.database import Transaction
from wildsage.store.tags import Tags

EVENT = "event"
"""The topic that is notified with each event."""

DEFAULT_BUS = "default"
SAGEMAKER = "aws.sagemaker"

DETAIL_TYPES: Mapping[str, str] = {
    "processing-job": "SageMaker Processing Job State Change",
    "training-job": "SageMaker Training Job State Change",
    "hyper-parameter-tuning-job": "SageMaker HyperParameter Tuning Job State Change",
    "endpoint": "SageMaker Endpoint State Change",
    "endpoint-config": "SageMaker Endpoint Config State Change",
    "model": "SageMaker Model State Change",
}
"""What is reported of resources, by kind. Changes of other kinds are no events."""

DEPLOYMENT = "SageMaker Endpoint Deployment State Change"
"""Reported beside the status of an endpoint while another deployment takes over."""

DELETED = "Deleted"
"""The status of a resource in the event that says it is gone."""

_dump = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_DEPLOYING = frozenset({"Updating", "RollingBack"})


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events are kept: what is older (seconds), or beyond a number or volume (characters), goes."""

    seconds: float = 30 * 24 * 3600.0
    count: int = 100_000
    volume: int = 256 * 1024 * 1024


RETENTION = Retention()
_PRUNED_EVERY = 256
_LARGEST_PRUNING = 1024


@dataclass(frozen=True, slots=True)
class Change:
    """A resource as a change of its status left it; `body` is the JSON text stored with it."""

    account: str
    region: str
    kind: str
    name: str
    arn: str
    status: str
    created_at: float
    at: float
    body: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes
    ----------
    sequence
        Its number, from 1.
    subject
        Of a resource's change ``kind``, ``name``, ``arn``, ``status``, ``created_at`` and ``tags``; of an
        event that a client put ``resources``, and ``time`` where it said one.
    body
        The resource's body at that time, or the detail.
    """

    sequence: int
    account: str
    region: str
    bus: str
    at: float
    source: str
    detail_type: str
    subject: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """A UUID made of its time and number (version 7): equal wherever and whenever it is read."""
        return event_id(self.sequence, self.at)


def event_id(sequence: int, at: float) -> str:
    """Return the identity of an event for clients."""
    text = f"{round(at * 1000) & (1 << 48) - 1:012x}7000{(0b10 << 62) | sequence:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Reader(Protocol):
    """What reading events needs of a database."""

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of one SELECT."""
        ...


class Events:
    """Access to the bus. Reads are immediate; events are written inside a `Transaction`."""

    def __init__(self, database: Reader) -> None:
        self.database = database

    # Writing

    @classmethod
    def report(cls, transaction: Transaction, change: Change, tags: Mapping[str, str] | None = None) -> None:
        """Add the event of a resource whose status changed; of a kind that is not reported, nothing.

        Parameters
        ----------
        tags
            Of the resource, where the caller knows them.
        """
        detail_type = DETAIL_TYPES.get(change.kind)
        if detail_type is None:
            return
        if tags is None:
            tags = {} if change.status == DELETED else Tags.fetch(transaction, change.arn)
        subject = _dump(
            {
                "kind": change.kind,
                "name": change.name,
                "arn": change.arn,
                "status": change.status,
                "created_at": change.created_at,
                "tags": tags,
            }
        )
        where = (change.account, change.region, DEFAULT_BUS, change.at, SAGEMAKER)
        cls._append(transaction, (*where, detail_type, subject, change.body))
        if change.kind == "endpoint" and change.status in _DEPLOYING:
            cls._append(transaction, (*where, DEPLOYMENT, subject, change.body))

    @classmethod
    def put(
        cls,
        transaction: Transaction,
        where: tuple[str, str, str],
        at: float,
        *,
        source: str,
        detail_type: str,
        subject: Mapping[str, Any],
        detail: str,
    ) -> str:
        """Add an event of a client's own and return its id.

        Parameters
        ----------
        where
            Account, region and bus.
        subject
            ``resources``, and ``time`` where the client says one.
        detail
            A JSON object, as text.
        """
        text = json.dumps(subject, ensure_ascii=False)
        sequence = cls._append(transaction, (*where, at, source, detail_type, text, detail))
        return event_id(sequence, at)

    @staticmethod
    def _append(transaction: Transaction, values: tuple[str, str, str, float, str, str, str, str]) -> int:
        size = len(values[-1]) + len(values[-2])
        cursor = transaction.execute(
            "INSERT INTO event (volume, account, region, bus, at, source, detail_type, subject, body) VALUES"
            " (COALESCE((SELECT volume FROM event ORDER BY sequence DESC LIMIT 1), 0) + ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (size, *values),
        )
        sequence = cursor.lastrowid or 0
        if sequence % _PRUNED_EVERY == 0:
            Events.prune(transaction, values[3])
        transaction.notify(EVENT)
        return sequence

    @staticmethod
    def prune(transaction: Transaction, now: float, retention: Retention = RETENTION) -> None:
        """Remove some of the oldest events that are not to be kept; never the newest one."""
        newest = transaction.execute(
            "SELECT sequence, volume FROM event ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        if newest is None:
            return
        oldest = transaction.execute(
            "SELECT sequence, volume, at FROM event WHERE sequence < ? ORDER BY sequence LIMIT ?",
            (newest["sequence"], _LARGEST_PRUNING),
        ).fetchall()
        expired = 0
        for row in oldest:
            too_old = row["at"] < now - retention.seconds
            too_many = newest["sequence"] - row["sequence"] >= retention.count
            if not (too_old or too_many or newest["volume"] - row["volume"] >= retention.volume):
                break
            expired = row["sequence"]
        transaction.execute("DELETE FROM event WHERE sequence <= ?", (expired,))

    @staticmethod
    def move(transaction: Transaction, consumer: str, sequence: int) -> None:
        """Note that a consumer is done with all events up to this one."""
        transaction.execute(
            "INSERT INTO event_consumer (name, sequence) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
            (consumer, sequence),
        )

    # Reading

    def position(self, consumer: str) -> int:
        """Return the number of the last event that a consumer is done with; 0 for one that never moved."""
        rows = self.database.read("SELECT sequence FROM event_consumer WHERE name = ?", (consumer,))
        return int(rows[0]["sequence"]) if rows else 0

    def newest(self) -> int:
        """Return the number of the newest event; 0 where there is none."""
        rows = self.database.read("SELECT MAX(sequence) AS sequence FROM event")
        return int(rows[0]["sequence"] or 0)

    def before(self, at: float) -> int:
        """Return the number behind which the events since `at` begin: that of the newest where there are none."""
        rows = self.database.read("SELECT MIN(sequence) AS first FROM event WHERE at >= ?", (at,))
        first = rows[0]["first"]
        return self.newest() if first is None else int(first) - 1

    def read(self, after: int, limit: int) -> list[Event]:
        """Return up to `limit` events behind the number `after`, in order."""
        rows = self.database.read(
            "SELECT sequence, account, region, bus, at, source, detail_type, subject, body FROM event"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after, limit),
        )
        return [_event(row) for row in rows]


def _event(row: sqlite3.Row) -> Event:
    return Event(
        sequence=row["sequence"],
        account=row["account"],
        region=row["region"],
        bus=row["bus"],
        at=row["at"],
        source=row["source"],
        detail_type=row["detail_type"],
        subject=json.loads(row["subject"]),
        body=json.loads(row["body"]),
    )
