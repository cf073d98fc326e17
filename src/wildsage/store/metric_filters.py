"""Metric filters of log groups: what they count is the affair of who reads them."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from wildsage.store.database import Database, Transaction
from wildsage.store.log_groups import LogGroup


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """A metric filter. `metric` is its metricTransformation, as the wire has it."""

    account: str
    region: str
    group: str
    name: str
    pattern: str
    metric: dict[str, Any]
    created_at: float


_SELECT = (
    "SELECT f.name, f.pattern, f.metric, f.created_at, g.account, g.region, g.name AS group_name"
    " FROM metric_filter f JOIN log_group g ON g.id = f.group_id"
)


class MetricFilters:
    """Access to the metric filters of all log groups."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @staticmethod
    def put(
        transaction: Transaction, group: LogGroup, name: str, pattern: str, metric: dict[str, Any], at: float
    ) -> int:
        """Store a filter, or replace the one of this name. Returns how many the group has now."""
        transaction.execute(
            "INSERT INTO metric_filter (group_id, name, pattern, metric, created_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (group_id, name) DO UPDATE SET pattern = excluded.pattern, metric = excluded.metric",
            (group.id, name, pattern, json.dumps(metric), at),
        )
        row = transaction.execute(
            "SELECT COUNT(*) AS number FROM metric_filter WHERE group_id = ?", (group.id,)
        ).fetchone()
        return int(row["number"])

    async def delete(self, group: LogGroup, name: str) -> bool:
        """Remove a filter. Returns False if the group has none of this name."""

        def remove(transaction: Transaction) -> bool:
            cursor = transaction.execute(
                "DELETE FROM metric_filter WHERE group_id = ? AND name = ?", (group.id, name)
            )
            return cursor.rowcount == 1

        return await self.database.write(remove)

    @staticmethod
    def of_group(transaction: Transaction, group_id: int) -> list[MetricFilter]:
        """Return the filters of a group, inside a transaction."""
        rows = transaction.execute(f"{_SELECT} WHERE f.group_id = ? ORDER BY f.name", (group_id,)).fetchall()
        return [_filter(row) for row in rows]

    def everywhere(self, account: str, region: str) -> list[MetricFilter]:
        """Return the filters of all groups of an account and region, by group and name."""
        rows = self.database.read(
            f"{_SELECT} WHERE g.account = ? AND g.region = ? ORDER BY g.name, f.name", (account, region)
        )
        return [_filter(row) for row in rows]

    def count(self, group: LogGroup) -> int:
        """Return how many filters a group has."""
        row = self.database.read_one(
            "SELECT COUNT(*) AS number FROM metric_filter WHERE group_id = ?", (group.id,)
        )
        return 0 if row is None else int(row["number"])


def _filter(row: sqlite3.Row) -> MetricFilter:
    return MetricFilter(
        row["account"], row["region"], row["group_name"], row["name"],
        row["pattern"], json.loads(row["metric"]), row["created_at"],
    )  # fmt: skip
