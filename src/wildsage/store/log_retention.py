"""Log groups keep events for so many days: streams whose last event is older lose their content."""

import fcntl
import os
import uuid
from contextlib import suppress

from wildsage.store.database import Transaction
from wildsage.store.logs import LogStream, LogStreams

_DAY_MILLISECONDS = 24 * 3600 * 1000


def expired_streams(logs: LogStreams, at: float) -> list[LogStream]:
    """Return the streams that have content, all of it past its group's retention."""
    rows = logs.database.read(
        "SELECT log_stream.id FROM log_stream JOIN log_group ON log_group.id = log_stream.group_id"
        " WHERE log_group.retention_days IS NOT NULL"
        " AND log_stream.last_event_ms < ? - log_group.retention_days * ?",
        (int(at * 1000), _DAY_MILLISECONDS),
    )
    return [logs.stream_by_id(row["id"]) for row in rows]


async def expire(logs: LogStreams, stream: LogStream) -> bool:
    """Empty a stream; it stays, as AWS's does. False: somebody writes it, and nothing was done."""
    try:
        descriptor = os.open(stream.path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A new segment: who reads the old one now reads it to its end.
            await logs.database.write(lambda transaction: _renew(transaction, stream))
            stream.path.unlink(missing_ok=True)
            return True
    finally:
        os.close(descriptor)
    return False


def _renew(transaction: Transaction, stream: LogStream) -> None:
    transaction.execute(
        "UPDATE log_stream SET segment = ?, scanned = 0, first_event_ms = NULL, last_event_ms = NULL WHERE id = ?",
        (f"{uuid.uuid4().hex}.log", stream.id),
    )
    transaction.execute("DELETE FROM log_position WHERE stream_id = ?", (stream.id,))
