"""Old events go: their room in a segment is given back, and positions stay what they are."""

import os
import sqlite3

from wildsage.formats.logframes import SMALLEST_GAP, drop_before, read_frames
from wildsage.store.database import Transaction
from wildsage.store.logs import LogStream, LogStreams, is_only_writer

_DAY_MS = 86_400_000


def oldest_kept(retention_days: int | None, now: float) -> int:
    """Return the time in milliseconds before which a group shows no events."""
    return 0 if retention_days is None else round(now * 1000) - retention_days * _DAY_MS


class LogRetention:
    """Applies the retention of groups to their segments. Readers hide what is too old until then."""

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs

    async def sweep(self, now: float) -> None:
        """Give back what is too old in all groups that have a retention."""
        for stream, before_ms in self.candidates(now):
            await self.expire(stream, before_ms)

    def candidates(self, now: float) -> list[tuple[LogStream, int]]:
        """Return the streams that have events which are too old, each with the time before which they are."""
        return [
            (stream, before_ms)
            for group in self._logs.groups_with_retention()
            for before_ms in (oldest_kept(group.retention_days, now),)
            for stream in self._logs.streams_with_events_before(group, before_ms)
        ]

    async def expire(self, stream: LogStream, before_ms: int, *, dry_run: bool = False) -> int:
        """Drop the events of a stream older than `before_ms`, as far as whole blocks are. Returns their bytes.

        A stream that a supervisor writes at this moment is left alone.

        Parameters
        ----------
        dry_run
            Change nothing; say what would go.
        """
        return await self._logs.database.write(lambda t: _drop(t, stream, before_ms, dry_run=dry_run))


def _drop(transaction: Transaction, stream: LogStream, before_ms: int, *, dry_run: bool) -> int:
    # In the writer thread: the server appends nothing meanwhile.
    row = transaction.execute("SELECT * FROM log_stream WHERE id = ?", (stream.id,)).fetchone()
    if row is None or not stream.path.exists():
        return 0
    position = _expired_until(transaction, row, before_ms)
    going = position - int(row["dropped"])
    with stream.path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        # What is kept is copied: that is worth it only where more goes than stays.
        worth_it = going >= SMALLEST_GAP and position <= size and size - position <= going
        if not worth_it or not is_only_writer(file):
            return 0
        if dry_run:
            return going
        drop_before(stream.path, position)
    with stream.path.open("rb") as file:
        first = next(read_frames(file, position, 1), None)
    transaction.execute(
        "UPDATE log_stream SET dropped = ?, first_event_ms = ? WHERE id = ?",
        (position, None if first is None else first.timestamp_ms, stream.id),
    )
    transaction.execute(
        "DELETE FROM log_position WHERE stream_id = ? AND position < ?", (stream.id, position)
    )
    return going


def _expired_until(transaction: Transaction, row: sqlite3.Row, before_ms: int) -> int:
    """Return the position up to which every event is older than `before_ms`."""
    if row["last_event_ms"] is None or row["last_event_ms"] < before_ms:
        return int(row["scanned"])
    found = transaction.execute(
        "SELECT MAX(position) AS position FROM log_position WHERE stream_id = ? AND timestamp_ms < ?",
        (row["id"], before_ms),
    ).fetchone()
    return int(found["position"] or 0)
