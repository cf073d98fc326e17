"""Log groups: names, how long events are kept, tags."""

import json
import sqlite3
from dataclasses import dataclass

from wildsage.store.database import Database, Transaction


class GroupNotFoundError(Exception):
    """There is no such log group."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    """One log group."""

    id: int
    account: str
    region: str
    name: str
    created_at: float
    retention_days: int | None
    tags: dict[str, str]


class LogGroups:
    """Access to log groups of all accounts and regions.

    Parameters
    ----------
    database
        The telemetry database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def groups(self, account: str, region: str, prefix: str = "") -> list[LogGroup]:
        """Return the groups whose names begin with `prefix`, by name."""
        rows = self.database.read(
            "SELECT * FROM log_group WHERE account = ? AND region = ? AND name >= ? AND name < ?"
            " ORDER BY name",
            (account, region, prefix, prefix + "\U0010ffff"),
        )
        return [_group(row) for row in rows]

    def group(self, account: str, region: str, name: str) -> LogGroup:
        """Return a group.

        Raises
        ------
        GroupNotFoundError
            If there is none of this name.
        """
        row = self.database.read_one(
            "SELECT * FROM log_group WHERE account = ? AND region = ? AND name = ?", (account, region, name)
        )
        if row is None:
            raise GroupNotFoundError(name)
        return _group(row)

    def group_page(self, account: str, region: str, prefix: str, after: str, limit: int) -> list[LogGroup]:
        """Return up to `limit` groups behind the name `after` whose names begin with `prefix`, by name."""
        rows = self.database.read(
            "SELECT * FROM log_group WHERE account = ? AND region = ? AND name >= ? AND name < ? AND name > ?"
            " ORDER BY name LIMIT ?",
            (account, region, prefix, prefix + "\U0010ffff", after, limit),
        )
        return [_group(row) for row in rows]

    def stored_bytes(self, group: LogGroup) -> int:
        """Return how much the events of a group take."""
        row = self.database.read_one(
            "SELECT COALESCE(SUM(scanned - dropped), 0) AS size FROM log_stream WHERE group_id = ?",
            (group.id,),
        )
        return 0 if row is None else int(row["size"])

    def groups_with_retention(self) -> list[LogGroup]:
        """Return the groups of all accounts and regions whose events go with their age."""
        rows = self.database.read("SELECT * FROM log_group WHERE retention_days IS NOT NULL ORDER BY id")
        return [_group(row) for row in rows]

    async def create_group(
        self, account: str, region: str, name: str, at: float, tags: dict[str, str]
    ) -> bool:
        """Make a group with its tags. Returns False if the name is taken."""

        def make(transaction: Transaction) -> bool:
            made = self.ensure_group(transaction, account, region, name, at)
            if made and tags:
                transaction.execute(
                    "UPDATE log_group SET tags = ? WHERE account = ? AND region = ? AND name = ?",
                    (json.dumps(tags), account, region, name),
                )
            return made

        return await self.database.write(make)

    @staticmethod
    def ensure_group(transaction: Transaction, account: str, region: str, name: str, at: float) -> bool:
        """Make the group unless it exists. Returns True if it was made."""
        cursor = transaction.execute(
            "INSERT INTO log_group (account, region, name, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (account, region, name) DO NOTHING",
            (account, region, name, at),
        )
        return cursor.rowcount == 1

    async def set_retention(self, group: LogGroup, days: int | None) -> None:
        """Record for how long events are to be kept."""
        await self.database.write(
            lambda t: t.execute("UPDATE log_group SET retention_days = ? WHERE id = ?", (days, group.id))
        )

    async def set_tags(self, group: LogGroup, tags: dict[str, str]) -> None:
        """Replace the tags of a group."""
        await self.database.write(
            lambda t: t.execute("UPDATE log_group SET tags = ? WHERE id = ?", (json.dumps(tags), group.id))
        )


def _group(row: sqlite3.Row) -> LogGroup:
    return LogGroup(
        row["id"], row["account"], row["region"], row["name"], row["created_at"],
        row["retention_days"], json.loads(row["tags"]),
    )  # fmt: skip
