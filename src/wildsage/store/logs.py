"""Log groups, log streams and what was scraped from them.

A stream's events are frames in a segment file (`wildsage.formats.logframes`), written by one process:
the supervisor of a run, or this server for ``PutLogEvents``. SQL holds the names, a sparse index and the
position up to which the tailer has read. A position in the file is a position in the stream, so page
tokens stay valid while the stream grows.
"""

import fcntl
import math
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wildsage.formats.logframes import (
    Frame,
    encode_frame,
    read_frames,
    whole_length,
)
from wildsage.store.database import Database, Transaction
from wildsage.store.log_groups import LogGroup, LogGroups
from wildsage.store.log_pages import StreamOrder, page_query

_INDEX_EVERY_BYTES = 128 * 1024
_SCAN_FRAMES = 5_000
_TAILER_BEHIND_MS = 60_000
METRICS = "job-metrics"
"""Topic of the telemetry: notified when values of jobs were found."""
LARGEST_PAGE_BYTES = 1_048_576
LARGEST_PAGE_EVENTS = 10_000


class StreamNotFoundError(Exception):
    """There is no such log stream."""


@dataclass(frozen=True, slots=True)
class LogStream:
    """One log stream. Times of events are those the tailer has seen so far."""

    id: int
    group_id: int
    name: str
    path: Path
    created_at: float
    scanned: int
    dropped: int
    first_event_ms: int | None
    last_event_ms: int | None
    ingested_at: float | None


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """A value that a log line reported."""

    name: str
    at: float
    value: float


Scrape = Callable[[Frame], Iterable[MetricPoint]]
NewEvents = Callable[[Transaction, int, Sequence[Frame]], None]
"""Told of a group's new events, by its id, in the transaction that indexes them."""
Keep = Callable[[Transaction, Sequence[MetricPoint]], None]
"""Keeps what was scraped somewhere else too, in the same transaction."""


class LogStreams(LogGroups):
    """Access to log streams, and the groups they are in, of all accounts and regions.

    Parameters
    ----------
    database
        The telemetry database.
    folder
        Where segments lie.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database)
        self._folder = folder
        self._on_events: NewEvents = lambda *_: None

    def on_events(self, told: NewEvents) -> None:
        """Tell somebody of all new events."""
        self._on_events = told

    async def delete_group(self, group: LogGroup) -> None:
        """Remove a group, its streams and their content. A supervisor that still writes is not disturbed."""
        for stream in self.streams(group):
            await self.delete_stream(stream)
        await self.database.write(lambda t: t.execute("DELETE FROM log_group WHERE id = ?", (group.id,)))

    # Streams

    def streams(self, group: LogGroup, prefix: str = "") -> list[LogStream]:
        """Return the streams of a group whose names begin with `prefix`, by name."""
        rows = self.database.read(
            "SELECT * FROM log_stream WHERE group_id = ? AND name >= ? AND name < ? ORDER BY name",
            (group.id, prefix, prefix + "\U0010ffff"),
        )
        return [self._stream(row) for row in rows]

    def streams_since(self, group: LogGroup, prefix: str, since_ms: int) -> list[LogStream]:
        """Return the streams that may have events of `since_ms` or later, by name.

        The tailer may be some moments behind the newest events.
        """
        rows = self.database.read(
            "SELECT * FROM log_stream WHERE group_id = ? AND name >= ? AND name < ?"
            " AND (last_event_ms IS NULL OR last_event_ms >= ?) ORDER BY name",
            (group.id, prefix, prefix + "\U0010ffff", since_ms - _TAILER_BEHIND_MS),
        )
        return [self._stream(row) for row in rows]

    def streams_with_events_before(self, group: LogGroup, before_ms: int) -> list[LogStream]:
        """Return the streams of a group whose first event is older than `before_ms`."""
        rows = self.database.read(
            "SELECT * FROM log_stream WHERE group_id = ? AND first_event_ms < ?", (group.id, before_ms)
        )
        return [self._stream(row) for row in rows]

    def stream_page(self, group: LogGroup, order: StreamOrder, limit: int) -> list[LogStream]:
        """Return up to `limit` streams of a group in some order."""
        rows = self.database.read(*page_query(group.id, order, limit))
        return [self._stream(row) for row in rows]

    def stream(self, group: LogGroup, name: str) -> LogStream:
        """Return a stream.

        Raises
        ------
        StreamNotFoundError
            If the group has none of this name.
        """
        row = self.database.read_one(
            "SELECT * FROM log_stream WHERE group_id = ? AND name = ?", (group.id, name)
        )
        if row is None:
            raise StreamNotFoundError(name)
        return self._stream(row)

    def stream_by_id(self, stream_id: int) -> LogStream:
        """Return a stream by its id.

        Raises
        ------
        StreamNotFoundError
            If it was deleted.
        """
        row = self.database.read_one("SELECT * FROM log_stream WHERE id = ?", (stream_id,))
        if row is None:
            raise StreamNotFoundError(str(stream_id))
        return self._stream(row)

    async def attach(self, account: str, region: str, group: str, stream: str, at: float) -> LogStream:
        """Return the stream, made (with its group) if absent, for a supervisor to write its segment.

        Calling it again gives the same stream: a job that is launched again goes on in its log.
        """

        def make(transaction: Transaction) -> int:
            self.ensure_group(transaction, account, region, group, at)
            row = transaction.execute(
                "SELECT id FROM log_group WHERE account = ? AND region = ? AND name = ?",
                (account, region, group),
            ).fetchone()
            return self._make_stream(transaction, row["id"], stream, at)

        return self.stream_by_id(await self.database.write(make))

    async def create_stream(self, group: LogGroup, name: str, at: float) -> bool:
        """Make an empty stream. Returns False if the name is taken."""

        def make(transaction: Transaction) -> bool:
            taken = transaction.execute(
                "SELECT 1 FROM log_stream WHERE group_id = ? AND name = ?", (group.id, name)
            ).fetchone()
            if taken is None:
                self._make_stream(transaction, group.id, name, at)
            return taken is None

        return await self.database.write(make)

    async def delete_stream(self, stream: LogStream) -> None:
        """Remove a stream and its content."""
        await self.database.write(lambda t: t.execute("DELETE FROM log_stream WHERE id = ?", (stream.id,)))
        stream.path.unlink(missing_ok=True)

    async def append(self, stream: LogStream, events: Sequence[tuple[int, str]], at: float) -> None:
        """Append events (milliseconds, message) that a client sent, durably, and index them.

        Raises
        ------
        StreamNotFoundError
            If the stream was deleted meanwhile.
        """
        now_ms = round(at * 1000)
        data = b"".join(encode_frame(time_ms, message.encode(), now_ms) for time_ms, message in events)

        def store(transaction: Transaction) -> None:
            # In the writer thread: appends to one stream never interleave.
            if transaction.execute("SELECT 1 FROM log_stream WHERE id = ?", (stream.id,)).fetchone() is None:
                raise StreamNotFoundError(stream.name)
            with stream.path.open("a+b") as file:
                if is_only_writer(file):
                    file.truncate(whole_length(file, min(stream.scanned, _size(file))))
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())
            self._advance(transaction, stream.id, lambda _frame: (), at)

        await self.database.write(store)

    # Reading

    def read_forward(self, stream: LogStream, position: int, limit: int) -> list[Frame]:
        """Return up to `limit` frames that begin at or behind `position`, within a page's bytes."""
        frames: list[Frame] = []
        if not stream.path.exists():
            return frames
        with stream.path.open("rb") as file:
            for frame in read_frames(file, position, limit):
                if frames and frame.end - position > LARGEST_PAGE_BYTES:
                    break
                frames.append(frame)
        return frames

    def read_backward(self, stream: LogStream, position: int | None, limit: int) -> list[Frame]:
        """Return up to `limit` frames that end at or before `position` (None: the end), oldest first."""
        if not stream.path.exists():
            return []
        end = stream.path.stat().st_size if position is None else position
        frames: list[Frame] = []
        with stream.path.open("rb") as file:
            boundary = end
            while boundary > 0 and len(frames) < limit and end - boundary <= LARGEST_PAGE_BYTES:
                start = self._last_indexed(stream, "position", boundary)
                block = []
                for frame in read_frames(file, start):
                    if frame.end > boundary:
                        break
                    block.append(frame)
                frames = block + frames
                boundary = start
        return frames[-limit:]

    def position_at(self, stream: LogStream, timestamp_ms: int) -> int:
        """Return an indexed position before which every event is older than `timestamp_ms`."""
        return self._last_indexed(stream, "timestamp_ms", timestamp_ms)

    def _last_indexed(self, stream: LogStream, column: str, bound: int) -> int:
        """Return the last indexed position whose `column` is below `bound`; the start where there is none."""
        row = self.database.read_one(
            f"SELECT MAX(position) AS position FROM log_position WHERE stream_id = ? AND {column} < ?",  # noqa: S608 - constant columns
            (stream.id, bound),
        )
        return (row["position"] or 0) if row is not None else 0

    # The tailer

    async def scan(
        self, stream_id: int, arn: str, scrape: Scrape, at: float, keep: Keep | None = None
    ) -> int:
        """Read what is new in a segment: index, metrics and offset are committed together.

        Returns the number of frames read; call again while it is not 0. After a crash it goes on where the
        last commit ended, so no metric is lost or doubled.
        """

        def read(transaction: Transaction) -> int:
            count, points = self._advance(transaction, stream_id, scrape, at)
            transaction.executemany(
                "INSERT INTO job_metric (arn, name, at, value) VALUES (?, ?, ?, ?)",
                # SQL takes NaN for NULL: a loss that is none must not hold up the log.
                [(arn, point.name, point.at, point.value) for point in points if not math.isnan(point.value)],
            )
            if points:
                transaction.notify(METRICS)
            if keep is not None and points:
                keep(transaction, points)
            return count

        return await self.database.write(read)

    def _advance(
        self, transaction: Transaction, stream_id: int, scrape: Scrape, at: float
    ) -> tuple[int, list[MetricPoint]]:
        """Index what is new. Returns the number of frames, and what was scraped from them."""
        row = transaction.execute("SELECT * FROM log_stream WHERE id = ?", (stream_id,)).fetchone()
        path = None if row is None else self._folder / row["segment"]
        if path is None or not path.exists() or path.stat().st_size == row["scanned"]:
            return 0, []
        with path.open("rb") as file:
            if _size(file) < row["scanned"]:
                self._go_back(transaction, stream_id, whole_length(file))
                return 0, []
            frames = list(read_frames(file, row["scanned"], _SCAN_FRAMES))
        if not frames:
            return 0, []
        transaction.executemany(
            "INSERT INTO log_position (stream_id, position, timestamp_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (stream_id, position) DO NOTHING",
            [(stream_id, start, latest_ms) for start, latest_ms in _index(frames, row["last_event_ms"])],
        )
        times = [row["first_event_ms"], row["last_event_ms"], *(frame.timestamp_ms for frame in frames)]
        known = [time for time in times if time is not None]
        transaction.execute(
            "UPDATE log_stream SET scanned = ?, first_event_ms = ?, last_event_ms = ?, ingested_at = ?"
            " WHERE id = ?",
            (frames[-1].end, min(known), max(known), at, stream_id),
        )
        transaction.notify(f"log-{stream_id}")
        self._on_events(transaction, row["group_id"], frames)
        return len(frames), [point for frame in frames for point in scrape(frame)]

    @staticmethod
    def _go_back(transaction: Transaction, stream_id: int, end: int) -> None:
        """Forget what lies behind the end of a segment: a power cut took lines that were scanned already."""
        transaction.execute("UPDATE log_stream SET scanned = ? WHERE id = ?", (end, stream_id))
        transaction.execute(
            "DELETE FROM log_position WHERE stream_id = ? AND position >= ?", (stream_id, end)
        )

    # Metrics

    def latest_metrics(self, arn: str) -> list[MetricPoint]:
        """Return the last value of each metric of a job, by name."""
        rows = self.database.read(
            "SELECT name, at, value FROM job_metric WHERE id IN"
            " (SELECT MAX(id) FROM job_metric WHERE arn = ? GROUP BY name) ORDER BY name",
            (arn,),
        )
        return [MetricPoint(row["name"], row["at"], row["value"]) for row in rows]

    def metric_values(self, arn: str, name: str) -> list[float]:
        """Return all values of a metric of a job, in the order of the lines that reported them."""
        rows = self.database.read(
            "SELECT value FROM job_metric WHERE arn = ? AND name = ? ORDER BY id", (arn, name)
        )
        return [row["value"] for row in rows]

    def _make_stream(self, transaction: Transaction, group_id: int, name: str, at: float) -> int:
        transaction.execute(
            "INSERT INTO log_stream (group_id, name, segment, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (group_id, name) DO NOTHING",
            (group_id, name, f"{uuid.uuid4().hex}.log", at),
        )
        row = transaction.execute(
            "SELECT id FROM log_stream WHERE group_id = ? AND name = ?", (group_id, name)
        ).fetchone()
        stream_id: int = row["id"]
        return stream_id

    def _stream(self, row: sqlite3.Row) -> LogStream:
        return LogStream(
            id=row["id"],
            group_id=row["group_id"],
            name=row["name"],
            path=self._folder / row["segment"],
            created_at=row["created_at"],
            scanned=row["scanned"],
            dropped=row["dropped"],
            first_event_ms=row["first_event_ms"],
            last_event_ms=row["last_event_ms"],
            ingested_at=row["ingested_at"],
        )


def _index(frames: Iterable[Frame], last_event_ms: int | None) -> Iterator[tuple[int, int]]:
    """Yield positions to remember, and the time of the latest event so far: clients may send older ones later."""
    latest_ms = last_event_ms or 0
    for frame in frames:
        latest_ms = max(latest_ms, frame.timestamp_ms)
        if frame.start // _INDEX_EVERY_BYTES != frame.end // _INDEX_EVERY_BYTES:
            yield frame.start, latest_ms


def is_only_writer(file: BinaryIO) -> bool:
    """Lock a segment until it is closed; False where a supervisor, which lives, writes it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
