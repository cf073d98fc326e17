"""One SQLite database: a single writer thread that groups commits, and readers of their own.

Guarantees
----------
- `Database.write` returns after the data is on disk (``synchronous=FULL`` unless told otherwise), or
  raises and has changed nothing. Works that arrive together share one fsync.
- Works run one at a time, in the order of their arrival, each in a savepoint of its own: one that
  raises is rolled back alone.
- A reader sees every write that was acknowledged before it asked.
- Topics notified by a work reach their listeners only after the commit, and before the work is
  acknowledged: whoever keeps what it read has let go of it when the writer goes on.

The SQL that callers pass is the portable subset (no SQLite-only functions), so that another
database can stand behind the same contract.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wildsage.store.log_room import LogRoom
from wildsage.store.migrate import migrate

T = TypeVar("T")

_LARGEST_GROUP = 256
"""A group that has as many works takes no more of them."""
_LONGEST_WAIT = 0.005
"""Seconds for which a commit waits for works that are likely to come."""
_WRITER_CACHE_KIB = 16 * 1024
"""The indexes of some 100,000 resources: their pages are the writer's alone, and stay valid."""
_CHECKPOINT_PAGES = 4000
"""The log goes into the database when it has grown by so much, 16 MB: each time costs two more fsyncs."""


class DatabaseClosedError(Exception):
    """The database was closed; nothing was written."""


class Transaction:
    """What a unit of work may do. Lives only while the work runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.topics: list[str] = []

    def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement. Rows come as `sqlite3.Row`."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        """Run one statement for each row."""
        return self._connection.executemany(sql, rows)

    def notify(self, topic: str) -> None:
        """Wake the listeners of `topic` once this work is durable."""
        self.topics.append(topic)


Waiter = asyncio.Future[Any] | Future[Any]


@dataclass(slots=True)
class _Task:
    """A unit of work, and who waits for it: a coroutine of `loop`, or a thread where there is none."""

    work: Callable[[Transaction], Any]
    waiter: Waiter
    loop: asyncio.AbstractEventLoop | None


@dataclass(slots=True)
class _Arrivals:
    """Works of one iteration of an event loop, which the writer gets at once, at its end.

    Writer and loop share Python's lock, if not a processor: a writer that is woken for each work interrupts the loop
    each time, and commits the first work alone.
    """

    loop: asyncio.AbstractEventLoop
    tasks: list[_Task] = field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    """What became of a task."""

    task: _Task
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Let the waiter go on."""
        waiter = self.task.waiter
        if waiter.done():  # cancelled meanwhile
            return
        if self.error is None:
            waiter.set_result(self.result)
        else:
            waiter.set_exception(self.error)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a database says of itself.

    Attributes
    ----------
    commits, works
        Since the start; works that arrived together share a commit.
    failures
        Commits that the disk refused.
    waiting
        Works that no commit has taken up yet.
    size, log_size
        Bytes of the file, and of the write-ahead log beside it.
    """

    commits: int
    works: int
    failures: int
    waiting: int
    size: int
    log_size: int


class Database:
    """A SQLite file, its migrations and its writer.

    Parameters
    ----------
    path
        The database file; made if absent, readable by the owner alone.
    migrations
        Name of the folder below ``wildsage.store.migrations`` whose numbered ``.sql`` files make the schema.
    durable
        True: every acknowledged write survives a power cut. False (telemetry): it survives the death of the
        process, and a power cut may take the last moments.
    """

    def __init__(self, path: Path, migrations: str, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._room = LogRoom(path)
        self._of_thread = threading.local()  # its connection for reading, and its arrivals
        self._reader_connections: list[sqlite3.Connection] = []
        self._batches: queue.SimpleQueue[list[_Task] | None] = queue.SimpleQueue()
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._last_group = 0
        self._last_commit = 0.0
        self._closed = False
        self._close_lock = threading.Lock()
        self._arrived = self._taken = self._commits = self._works = self._failures = 0
        path.touch(mode=0o600)  # it holds secrets; SQLite gives the files beside it the same mode
        self._connection = self._connect()
        migrate(self._connection, path, migrations)
        self._connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        # What a savepoint needs to undo its work: it went through a file that no crash reads.
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._writer = threading.Thread(target=self._write_loop, name=f"writer-{path.stem}", daemon=True)
        self._writer.start()

    # Reading

    def read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of one SELECT, on this thread's own connection."""
        return self._reader().execute(sql, parameters).fetchall()

    def read_one(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Row | None:
        """Return the first row of one SELECT, or None."""
        row: sqlite3.Row | None = self._reader().execute(sql, parameters).fetchone()
        return row

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._of_thread.connection = connection
            self._reader_connections.append(connection)
        return connection

    # What it says of itself

    @property
    def is_writing(self) -> bool:
        """Whether the writer lives: without it nothing is stored any more."""
        return self._writer.is_alive()

    def statistics(self) -> "Statistics":
        """Return what was written since the start, and what lies on the disk."""
        log = self.path.with_name(f"{self.path.name}-wal")
        waiting = self._arrived - self._taken
        return Statistics(self._commits, self._works, self._failures, waiting, _size(self.path), _size(log))

    # Writing

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in the writer thread and return its result once it is durable.

        `work` gets a `Transaction`, must not block on anything else, and may be called once only. What it
        raises is raised here, after its changes were rolled back. A caller that is cancelled while it waits
        does not know: a work whose turn had come is done all the same, any other is dropped.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        arrivals = self._arrivals(loop)
        if not arrivals.tasks:
            loop.call_soon(self._hand_over, arrivals)
        arrivals.tasks.append(_Task(work, waiter, loop))
        return await waiter

    def write_blocking(self, work: Callable[[Transaction], T]) -> T:
        """Like `write`, for threads without an event loop."""
        waiter: Future[T] = Future()
        self._submit([_Task(work, waiter, None)])
        return waiter.result()

    def listen(self, topic: str, wake: Callable[[], None]) -> None:
        """Call `wake` (in the writer thread: hand over, do no work) after each commit that notified `topic`."""
        self._listeners.setdefault(topic, []).append(wake)

    def wake(self, topic: str, event: asyncio.Event) -> None:
        """Set an event of the running loop after each commit that notified `topic`."""
        loop = asyncio.get_running_loop()

        def set_event() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: this server ends
                loop.call_soon_threadsafe(event.set)

        self.listen(topic, set_event)

    def close(self) -> None:
        """Finish the works that have arrived (of event loops: this thread's), then close every connection."""
        arrivals: _Arrivals | None = getattr(self._of_thread, "arrivals", None)
        if arrivals is not None:
            self._hand_over(arrivals)
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self._batches.put(None)
        self._writer.join()
        # The writer's comes last: the last one to close moves the log into the database, and readers may not.
        for connection in (*self._reader_connections, self._connection):
            connection.close()

    def _arrivals(self, loop: asyncio.AbstractEventLoop) -> _Arrivals:
        found: _Arrivals | None = getattr(self._of_thread, "arrivals", None)
        if found is None or found.loop is not loop:
            found = self._of_thread.arrivals = _Arrivals(loop)
        return found

    def _hand_over(self, arrivals: _Arrivals) -> None:
        tasks, arrivals.tasks = arrivals.tasks, []
        if not tasks:  # closing came first
            return
        try:
            self._submit(tasks)
        except DatabaseClosedError as error:
            for task in tasks:
                _Outcome(task, error=error).tell()

    def _submit(self, tasks: list[_Task]) -> None:
        with self._close_lock:
            if self._closed:
                raise DatabaseClosedError(f"{self.path.name} is closed")
            self._arrived += len(tasks)
            self._batches.put(tasks)

    def _write_loop(self) -> None:
        finished = False
        while not finished:
            group, finished = self._next_group()
            if group:
                self._commit_group(self._connection, group)

    def _next_group(self) -> tuple[list[_Task], bool]:
        """Wait for works, then take all that have queued up behind them, and those that are on their way.

        Clients that wait for one commit come back together, but not in one instant. A commit that begins
        with the first of them makes all others wait for the next one: so a group waits until it is as large
        as the last one was, for no longer than that one's commit took.
        """
        batch = self._batches.get()
        group: list[_Task] = []
        deadline = time.monotonic() + self._last_commit
        while batch is not None:
            group += batch
            self._taken += len(batch)
            if len(group) >= _LARGEST_GROUP:
                return group, False
            wait = deadline - time.monotonic() if len(group) < self._last_group else 0.0
            try:
                batch = self._batches.get(timeout=wait) if wait > 0 else self._batches.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit_group(self, connection: sqlite3.Connection, group: list[_Task]) -> None:
        # From here on a cancellation comes too late.
        group = [task for task in group if not task.waiter.cancelled()]
        outcomes: list[_Outcome] = []
        topics: set[str] = set()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if self._durable:
                self._room.extend()
            outcomes.extend(_run_in_savepoint(connection, task, topics) for task in group)
            began = time.monotonic()
            connection.execute("COMMIT")
            self._last_group = len(group)
            self._last_commit = min(time.monotonic() - began, _LONGEST_WAIT)
        except sqlite3.Error as error:
            # Disk full or I/O error: nothing of the group was acknowledged, so all of it is undone.
            self._failures += 1
            _undo(connection)
            topics.clear()
            failed = {id(outcome.task): outcome for outcome in outcomes if outcome.error}
            outcomes = [failed.get(id(task)) or _Outcome(task, error=error) for task in group]
        else:
            self._commits += 1
            self._works += sum(outcome.error is None for outcome in outcomes)
        for topic in topics:
            for wake in self._listeners.get(topic, ()):
                wake()
        _tell(outcomes)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection


def _run_in_savepoint(connection: sqlite3.Connection, task: _Task, topics: set[str]) -> _Outcome:
    """Run one task, and collect the topics that it notified. What it raises undoes it alone."""
    transaction = Transaction(connection)
    connection.execute("SAVEPOINT work")
    try:
        result = task.work(transaction)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and not connection.in_transaction:
            raise  # SQLite undid the whole group, as it may where the disk is full: the savepoint is gone too
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return _Outcome(task, error=error)
    connection.execute("RELEASE work")
    topics.update(transaction.topics)
    return _Outcome(task, result)


def _tell(outcomes: list[_Outcome]) -> None:
    """Let everybody go on who waits: each loop is woken once, whatever the number of its waiters."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        if outcome.task.loop is None:
            outcome.tell()
        else:
            by_loop.setdefault(outcome.task.loop, []).append(outcome)
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell_all, own)


def _tell_all(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
