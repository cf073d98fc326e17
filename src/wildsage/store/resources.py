"""Named resources of all services: create, read, change, list in pages, move from state to state."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.core.states import check_transition
from wildsage.store.database import Database, Transaction
from wildsage.store.events import DELETED, DETAIL_TYPES, Change, Events
from wildsage.store.tags import Tag, Tags

Body = dict[str, Any]


class AlreadyExistsError(Exception):
    """The name is taken. Carries the resource that has it."""

    def __init__(self, existing: "Resource") -> None:
        super().__init__(existing.arn)
        self.existing = existing


@dataclass(frozen=True, slots=True)
class Key:
    """Which resource: the first two parts keep accounts and regions apart."""

    account: str
    region: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored resource. `body` holds the members of Describe under their wire names."""

    id: int
    key: Key
    arn: str
    status: str
    created_at: float
    modified_at: float
    body: Body


@dataclass(frozen=True, slots=True)
class Query:
    """What a List operation asks for. All filters are optional and must all hold."""

    account: str
    region: str
    kind: str
    name_contains: str | None = None
    statuses: tuple[str, ...] = ()
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    sort_by: str = "created_at"  # created_at, modified_at, name or status
    descending: bool = True

    @property
    def order(self) -> tuple[str, ...]:
        """The columns of the order; the id stands behind them."""
        return _ORDERS[self.sort_by]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: behind the row with these values in the columns of the order, and this id."""

    values: tuple[str | float, ...]
    id: int

    @classmethod
    def of(cls, query: Query, last: Resource) -> "Position":
        """Return the position behind a resource in the order of the query."""
        known: dict[str, str | float] = {
            "name": last.key.name,
            "status": last.status,
            "created_at": last.created_at,
            "modified_at": last.modified_at,
        }
        return cls(tuple(known[column] for column in query.order), last.id)


RESOURCE_COLUMNS = (
    "id", "account", "region", "kind", "name", "arn", "status", "created_at", "modified_at", "body",
)  # fmt: skip
"""The columns of the table, in the order in which `resource_of` takes them."""
_COLUMNS = ", ".join(RESOURCE_COLUMNS)
_ORDERS: Mapping[str, tuple[str, ...]] = {
    "created_at": ("created_at",),
    "modified_at": ("modified_at",),
    "name": ("name",),
    "status": ("status", "created_at"),
}
"""By what can be sorted by: the columns of an index, all but the first three and the id."""
_SECONDARY = "SecondaryStatus"
_LAST = "\U0010ffff"
_SELECT_BELOW = (
    f"SELECT {_COLUMNS} FROM resource WHERE account = ? AND region = ? AND kind = ?"  # noqa: S608 - constant columns
    " AND name >= ? AND name < ? ORDER BY name"
)


def resource_of(row: Sequence[Any]) -> Resource:
    """Read a resource off the columns of its table, in their order."""
    number, account, region, kind, name, arn, status, created_at, modified_at, body = row
    key = Key(account, region, kind, name)
    return Resource(number, key, arn, status, created_at, modified_at, json.loads(body))


def _key_parameters(key: Key) -> tuple[str, str, str, str]:
    return (key.account, key.region, key.kind, key.name)


class Resources:
    """Access to the resource table. Reads are immediate; changes happen inside a `Transaction`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, key: Key) -> Resource | None:
        """Return the resource, or None."""
        row = self.database.read_one(
            f"SELECT {_COLUMNS} FROM resource WHERE account = ? AND region = ? AND kind = ? AND name = ?",  # noqa: S608 - constant columns
            _key_parameters(key),
        )
        return None if row is None else resource_of(row)

    def get_by_arn(self, arn: str) -> Resource | None:
        """Return the resource with this ARN, or None."""
        row = self.database.read_one(f"SELECT {_COLUMNS} FROM resource WHERE arn = ?", (arn,))  # noqa: S608 - constant text
        return None if row is None else resource_of(row)

    def below(self, account: str, region: str, kind: str, prefix: str = "") -> list[Resource]:
        """Return all resources of a kind whose names begin with `prefix`, by name."""
        rows = self.database.read(_SELECT_BELOW, (account, region, kind, prefix, prefix + _LAST))
        return [resource_of(row) for row in rows]

    def history(self, key: Key) -> list[tuple[str, float]]:
        """Return the statuses that followed the first one, with their times, oldest first."""
        rows = self.database.read(
            "SELECT status, at FROM status_change"
            " WHERE account = ? AND region = ? AND kind = ? AND name = ? ORDER BY id",
            _key_parameters(key),
        )
        return [(row["status"], row["at"]) for row in rows]

    def page(self, query: Query, after: Position | None, limit: int) -> list[Resource]:
        """Return up to `limit` resources in the order of the query, behind the position `after`."""
        where, parameters = _conditions(query)
        order = "DESC" if query.descending else "ASC"
        columns = (*query.order, "id")
        if after is not None:
            comparison = "<" if query.descending else ">"
            where += f" AND ({', '.join(columns)}) {comparison} ({', '.join('?' * len(columns))})"
            parameters += [*after.values, after.id]
        by = ", ".join(f"{column} {order}" for column in columns)
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM resource WHERE {where} ORDER BY {by} LIMIT ?",  # noqa: S608 - constant text
            [*parameters, limit],
        )
        return [resource_of(row) for row in rows]

    def everywhere(self, kind: str, *, modified_after: float = 0.0) -> list[Resource]:
        """Return all resources of a kind, whatever their account and region, in the order they were made."""
        rows = self.database.read(
            f"SELECT {_COLUMNS} FROM resource WHERE kind = ? AND modified_at >= ? ORDER BY id",  # noqa: S608 - constant columns
            [kind, modified_after],
        )
        return [resource_of(row) for row in rows]

    def regions_of(self, account: str, kinds: Sequence[str]) -> list[str]:
        """Return where an account has any resource of these kinds, sorted."""
        marks = ", ".join("?" * len(kinds))
        rows = self.database.read(
            f"SELECT DISTINCT region FROM resource WHERE account = ? AND kind IN ({marks}) ORDER BY region",  # noqa: S608 - marks alone
            (account, *kinds),
        )
        return [row["region"] for row in rows]

    @staticmethod
    def fetch(transaction: Transaction, key: Key) -> Resource | None:
        """Return the resource as this transaction sees it, or None."""
        row = transaction.execute(
            f"SELECT {_COLUMNS} FROM resource WHERE account = ? AND region = ? AND kind = ? AND name = ?",  # noqa: S608 - constant text
            _key_parameters(key),
        ).fetchone()
        return None if row is None else resource_of(row)

    @staticmethod
    def fetch_below(
        transaction: Transaction, account: str, region: str, kind: str, prefix: str
    ) -> list[Resource]:
        """Return what `below` returns, as this transaction sees it."""
        rows = transaction.execute(_SELECT_BELOW, (account, region, kind, prefix, prefix + _LAST)).fetchall()
        return [resource_of(row) for row in rows]

    @staticmethod
    def _fetch_by_arn(transaction: Transaction, arn: str) -> Resource | None:
        row = transaction.execute(f"SELECT {_COLUMNS} FROM resource WHERE arn = ?", (arn,)).fetchone()  # noqa: S608 - constant text
        return None if row is None else resource_of(row)

    @classmethod
    def insert(
        cls,
        transaction: Transaction,
        key: Key,
        *,
        arn: str,
        status: str,
        at: float,
        body: Body,
        tags: Sequence[Tag] = (),
    ) -> None:
        """Store a new resource and its first tags; the bus reports it.

        Raises
        ------
        AlreadyExistsError
            If the name is taken, or one that differs in case only (it has the same ARN).
        """
        text = _dump(body)
        try:
            transaction.execute(
                "INSERT INTO resource (account, region, kind, name, arn, status, created_at, modified_at, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_key_parameters(key), arn, status, at, at, text),
            )
        except sqlite3.IntegrityError:
            existing = cls.fetch(transaction, key) or cls._fetch_by_arn(transaction, arn)
            if existing is None:
                raise
            raise AlreadyExistsError(existing) from None
        if tags:
            Tags.put(transaction, arn, tags)
        shown = {tag["Key"]: tag["Value"] for tag in tags}
        Events.report(transaction, Change(*_key_parameters(key), arn, status, at, at, text), shown)

    @staticmethod
    def update(transaction: Transaction, key: Key, *, at: float, body: Body) -> None:
        """Replace the body. The status stays what it is."""
        transaction.execute(
            "UPDATE resource SET body = ?, modified_at = ?"
            " WHERE account = ? AND region = ? AND kind = ? AND name = ?",
            (_dump(body), at, *_key_parameters(key)),
        )

    @classmethod
    def transition(
        cls, transaction: Transaction, key: Key, *, to: str, at: float, body: Body | None = None
    ) -> Resource:
        """Move the resource to the status `to`, and replace its body where one is given.

        The bus reports it if the status is another one, or the secondary status in the body.

        Raises
        ------
        wildsage.core.states.IllegalTransitionError
            If the state table of the kind has no such step.
        KeyError
            If the resource is gone.
        """
        current = cls.fetch(transaction, key)
        if current is None:
            raise KeyError(key)
        check_transition(key.kind, current.status, to)
        at = max(at, current.modified_at)  # a clock that was set back must not turn the order around
        new_body = current.body if body is None else body
        text = _dump(new_body)
        if to != current.status:
            transaction.execute(
                "INSERT INTO status_change (account, region, kind, name, status, at) VALUES (?, ?, ?, ?, ?, ?)",
                (*_key_parameters(key), to, at),
            )
        transaction.execute(
            "UPDATE resource SET status = ?, body = ?, modified_at = ?"
            " WHERE account = ? AND region = ? AND kind = ? AND name = ?",
            (to, text, at, *_key_parameters(key)),
        )
        if to != current.status or new_body.get(_SECONDARY) != current.body.get(_SECONDARY):
            change = Change(*_key_parameters(key), current.arn, to, current.created_at, at, text)
            Events.report(transaction, change)
        return Resource(current.id, key, current.arn, to, current.created_at, at, new_body)

    @classmethod
    def delete(cls, transaction: Transaction, key: Key, *, at: float | None = None) -> None:
        """Remove the resource and its history; where `at` says when, the bus reports it."""
        gone = cls.fetch(transaction, key) if at is not None and key.kind in DETAIL_TYPES else None
        if gone is not None and at is not None:
            text = _dump(gone.body)
            change = Change(*_key_parameters(key), gone.arn, DELETED, gone.created_at, at, text)
            Events.report(transaction, change)
        for table in ("resource", "status_change"):
            transaction.execute(
                f"DELETE FROM {table} WHERE account = ? AND region = ? AND kind = ? AND name = ?",  # noqa: S608 - constant text
                _key_parameters(key),
            )


_dump: Callable[[Body], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _conditions(query: Query) -> tuple[str, list[Any]]:
    where = ["account = ?", "region = ?", "kind = ?"]
    parameters: list[Any] = [query.account, query.region, query.kind]
    if query.name_contains is not None:
        # AWS compares case-insensitively; LIKE does so for ASCII, which is all that names may hold.
        where.append("name LIKE ? ESCAPE '\\'")
        escaped = query.name_contains.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        parameters.append(f"%{escaped}%")
    if query.statuses:
        where.append(f"status IN ({', '.join('?' * len(query.statuses))})")
        parameters += query.statuses
    for column, operator, bound in (
        ("created_at", ">", query.created_after),
        ("created_at", "<", query.created_before),
        ("modified_at", ">", query.modified_after),
        ("modified_at", "<", query.modified_before),
    ):
        if bound is not None:
            where.append(f"{column} {operator} ?")
            parameters.append(bound)
    return " AND ".join(where), parameters
