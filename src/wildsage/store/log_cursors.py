"""Where searches over many streams go on: rows that tokens name, so that a token stays short."""

import hashlib
import json
from collections.abc import Mapping

from wildsage.store.database import Database, Transaction

_KEPT_SECONDS = 86_400.0


class CursorNotFoundError(Exception):
    """There is no such cursor, or it is older than a day."""


class LogCursors:
    """Access to the cursors of searches. They are kept for a day, as CloudWatch keeps its tokens.

    Parameters
    ----------
    database
        The telemetry database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, positions: Mapping[int, int], at: float) -> str:
        """Keep a position for each stream (by id), and return the cursor's id: for the same ones the same."""
        text = json.dumps(sorted(positions.items()), separators=(",", ":"))
        identifier = hashlib.sha256(text.encode()).hexdigest()[:32]

        def store(transaction: Transaction) -> None:
            transaction.execute("DELETE FROM log_cursor WHERE made_at < ?", (at - _KEPT_SECONDS,))
            transaction.execute(
                "INSERT INTO log_cursor (id, positions, made_at) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET made_at = excluded.made_at",
                (identifier, text, at),
            )

        await self._database.write(store)
        return identifier

    def find(self, identifier: str) -> dict[int, int]:
        """Return the positions of a cursor.

        Raises
        ------
        CursorNotFoundError
            If there is none of this id.
        """
        row = self._database.read_one("SELECT positions FROM log_cursor WHERE id = ?", (identifier,))
        if row is None:
            raise CursorNotFoundError(identifier)
        return dict(json.loads(row["positions"]))
