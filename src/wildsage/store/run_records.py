"""How runs went: what is known of a run after its folder is gone, by the job or endpoint it was of."""

import json
from collections.abc import Mapping
from typing import Any

from wildsage.store.database import Database, Transaction
from wildsage.store.resources import Key

_LARGEST_COUNT = 10
"""Of one resource, for each of the runs it has at once: an endpoint whose workers end again and again keeps the
newest."""


class RunRecords:
    """Access to the table of run records."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def of(self, resource: Key) -> list[Mapping[str, Any]]:
        """Return the records of a job or endpoint, oldest first."""
        rows = self.database.read(
            f"SELECT record FROM run_record WHERE {_OF} ORDER BY ended_at, run_id",  # noqa: S608 - a constant
            _parameters(resource),
        )
        return [json.loads(row["record"]) for row in rows]

    @staticmethod
    def put(
        transaction: Transaction,
        resource: Key,
        run_id: str,
        at: float,
        record: Mapping[str, Any],
        runs_at_once: int = 1,
    ) -> None:
        """Keep the record of a run that has ended, in the place of one of the same run."""
        transaction.execute(
            "INSERT INTO run_record (account, region, kind, name, run_id, ended_at, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id)"
            " DO UPDATE SET ended_at = excluded.ended_at, record = excluded.record",
            (*_parameters(resource), run_id, at, json.dumps(record, ensure_ascii=False)),
        )
        transaction.execute(
            f"DELETE FROM run_record WHERE {_OF} AND run_id NOT IN"  # noqa: S608 - a constant
            f" (SELECT run_id FROM run_record WHERE {_OF} ORDER BY ended_at DESC, run_id DESC LIMIT ?)",
            (*_parameters(resource), *_parameters(resource), _LARGEST_COUNT * runs_at_once),
        )

    @staticmethod
    def forget(transaction: Transaction, resource: Key) -> None:
        """Remove the records of a resource that is deleted."""
        transaction.execute(f"DELETE FROM run_record WHERE {_OF}", _parameters(resource))  # noqa: S608 - constant text


_OF = "account = ? AND region = ? AND kind = ? AND name = ?"


def _parameters(resource: Key) -> tuple[str, str, str, str]:
    return (resource.account, resource.region, resource.kind, resource.name)
