"""Carries every training job from its creation to its one terminal state.

A job that is not over has one task here; one that waits for capacity and for nothing else has a turn, and gets its
task with it: thousands may wait. The task can stop at any point (this server dies) and start again from the store
and the run's folder: each step is either one transaction or may be repeated.

queued ── capacity, inputs, image ──▶ folder written ──▶ launched ── journal, log ──▶ exit record ──▶ settled
"""

import asyncio
import contextlib
import errno
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from wildsage.core.clock import iso8601
from wildsage.core.errors import ServiceError
from wildsage.core.instance_types import capacity_of
from wildsage.jobs.capacity import Capacity, Slot, Turn
from wildsage.jobs.history import advance, waiting
from wildsage.jobs.launch import CannotStartError, Launcher, Rooms, launch_once
from wildsage.jobs.metrics import publisher, scraper
from wildsage.jobs.settle import Settlement
from wildsage.store.database import Transaction
from wildsage.store.logs import Scrape
from wildsage.store.resources import Resource, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.run_tokens import RunTokens
from wildsage.store.runs import Run, Runs
from wildsage.supervisor.contract import Event, ExitRecord
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.summary import summarize

CREATED = "training-job-created"
STOPPING = "training-job-stopping"
"""Topics of the store: notified by whoever creates a job, or asks for its stop."""

_POLL_SECONDS = 0.025
_SCAN_SECONDS = 0.25
_UNNOTICED_SECONDS = 0.1
_QUEUE_SECONDS = 0.02
_RETRY_SECONDS = 1.0
_LAUNCHES = 3
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO}
)

_log = logging.getLogger(__name__)


class TrainingReconciler:
    """Runs for as long as the server does. `start` takes up what an earlier server left."""

    def __init__(self, rooms: Rooms, capacity: Capacity) -> None:
        self._rooms = rooms
        self._capacity = capacity
        self._launcher = Launcher(rooms)
        self._settlement = Settlement(
            rooms.resources, rooms.keys, rooms.logs, rooms.objects, rooms.clock, rooms.kept
        )
        self._waiting: dict[str, tuple[Run, Turn]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Future[None]] = {}  # of the runs that are carried: done if to stop
        self._last_seen = 0
        self._created = asyncio.Event()
        self._stopping = asyncio.Event()
        self._own: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        loop = asyncio.get_running_loop()
        database = self._rooms.resources.database
        self._own = []
        for topic, woken, look in (
            (CREATED, self._created, self._take_up_new),
            (STOPPING, self._stopping, self._tell_stops),
        ):
            database.wake(topic, woken)
            woken.set()
            self._own.append(loop.create_task(self._watch(woken, look), name=f"{topic}-watch"))
        self._own += [
            loop.create_task(asyncio.to_thread(self._sweep, self._left_over()), name="training-sweep"),
        ]

    async def stop(self) -> None:
        """Let go of everything. The runs go on: their supervisors are not this server's children."""
        turns = [turn for _, turn in self._waiting.values()]
        self._waiting.clear()  # first of all: what is let go of below would begin the next one
        for turn in turns:
            self._capacity.leave(turn)
        tasks = [*self._own, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _left_over(self) -> list[RunFolder]:
        """Return the folders of runs that were over before this server began to carry any."""
        living = {run.run_id for run in self._rooms.runs.unsettled()}
        folders = map(RunFolder, self._rooms.layout.runs.glob("train-*"))
        return [folder for folder in folders if folder.path.name not in living]

    def _sweep(self, folders: list[RunFolder]) -> None:
        """Remove folders of runs that are over: a crash came between their end and their removal."""
        for folder in folders:
            with contextlib.suppress(OSError):
                if folder.is_alive():
                    folder.request_stop()
                else:
                    folder.delete()
        self._settlement.prune()

    async def _watch(self, woken: asyncio.Event, look: Callable[[], None]) -> None:
        while True:
            await woken.wait()
            woken.clear()
            try:
                look()
                if self._capacity.ahead():
                    # Whoever comes now has to wait anyway: one look for all that come in this time.
                    await asyncio.sleep(_QUEUE_SECONDS)
            except sqlite3.Error:
                _log.exception("the store refused to list the runs; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                woken.set()

    def _take_up_new(self) -> None:
        """Begin to carry the runs that were queued since the last look."""
        # With their jobs: one read for all that came together, where each would wait for the writer.
        for run, job in self._rooms.runs.unsettled_with_jobs(self._last_seen):
            self._last_seen = run.id
            if run.state == "queued" and _only_waits(job):
                turn = self._capacity.request(self._slot(job))
                self._waiting[run.run_id] = run, turn
                turn.came.add_done_callback(partial(self._begin_waiting, run.run_id))
            else:
                self._begin(run, job)

    def _begin_waiting(self, run_id: str, _came: object = None) -> None:
        """Begin to carry a run that waits, unless that was done: its turn has come, or it is to stop."""
        if run_id in self._waiting:
            run, turn = self._waiting.pop(run_id)
            self._begin(run, turn=turn)

    def _begin(self, run: Run, job: Resource | None = None, turn: Turn | None = None) -> None:
        self._stops[run.run_id] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._carry_guarded(run, job, turn), name=f"run-{run.run_id}")
        self._tasks[run.run_id] = task
        task.add_done_callback(partial(self._forget, run.run_id))

    def _tell_stops(self) -> None:
        for run_id in self._rooms.runs.stopping():
            self._begin_waiting(run_id)
            if run_id in self._stops:
                self._ask_to_stop(run_id)

    def _ask_to_stop(self, run_id: str) -> None:
        if not self._stops[run_id].done():
            self._stops[run_id].set_result(None)

    def _forget(self, run_id: str, _task: "asyncio.Task[None]") -> None:
        del self._tasks[run_id]
        del self._stops[run_id]

    async def _carry_guarded(self, run: Run, job: Resource | None, turn: Turn | None) -> None:
        """Carry a run; where the disk is full or the like, wait until that has passed."""
        current: Run | None = run
        while current is not None:
            try:
                await self._carry_or_fail(current, job, turn)
            except (sqlite3.Error, OSError, ServiceError):
                _log.exception("run %s: the disk or the store is in trouble; trying again", run.run_id)
                await asyncio.sleep(_RETRY_SECONDS)
                job = turn = None
                with contextlib.suppress(sqlite3.Error):
                    current = self._rooms.runs.unsettled_run(run.run_id)
            else:
                return

    async def _carry_or_fail(self, run: Run, job: Resource | None, turn: Turn | None) -> None:
        """Carry a run; a fault of ours fails the job with a reason instead of leaving it for ever."""
        try:
            await self._carry(run, job, turn)
        except CannotStartError as error:
            await self._settlement.never_started(run, self._folder(run), reason=f"ClientError: {error}")
        except Exception as error:
            if _will_pass(error):
                raise
            _log.exception("run %s of %s failed inside Wildsage", run.run_id, run.job.name)
            await self._give_up(run, f"InternalServerError: {type(error).__name__}: {error}")

    async def _carry(self, run: Run, seen: Resource | None, turn: Turn | None) -> None:
        """Carry a run whose job was `seen` a moment ago, or is read now, and that may have a turn already."""
        try:
            job = seen or self._rooms.resources.get(run.job)
            if job is None:
                return
            if job.status == "Stopping":  # asked before the run was seen
                self._ask_to_stop(run.run_id)
            folder = self._folder(run)
            if run.state == "launched":
                turn = self._capacity.take_now(self._slot(job))
            else:
                is_ready = await self._prepare(run, job)
                turn = turn or self._capacity.request(self._slot(job))
                if not is_ready or not await self._wait_for(run, job, turn):
                    await self._settlement.never_started(run, folder, stopped=True)
                    return
                run = await self._launcher.launch(run, job, folder, turn.slot)
            await self._follow(run, folder)
        finally:
            if turn is not None:
                self._capacity.leave(turn)

    def _folder(self, run: Run) -> RunFolder:
        return RunFolder(self._rooms.layout.runs / run.run_id)

    def _slot(self, job: Resource) -> Slot:
        return self._capacity.slot_for(capacity_of(job.body["ResourceConfig"]["InstanceType"]).vcpus)

    # Before the launch

    async def _prepare(self, run: Run, job: Resource) -> bool:
        """Make the image ready. False: the job was stopped before it was."""
        return self._launcher.is_prepared(job) or await self._unless_stopped(
            run, self._launcher.prepare(run, job)
        )

    async def _wait_for(self, run: Run, job: Resource, turn: Turn) -> bool:
        """Wait for a slot. False: the job was stopped before there was one."""
        # Most that wait knew it when they were created: a job that waits costs no write then.
        if job.body["SecondaryStatus"] != "Pending":
            stop = self._stops[run.run_id]
            await asyncio.wait(
                {turn.came, stop}, timeout=_UNNOTICED_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not turn.came.done() and not stop.done():
                await self._advance(run, "Pending", waiting(turn.ahead))
        return await self._done_before_stop(run, turn.came)

    async def _unless_stopped(self, run: Run, work: Coroutine[Any, Any, None]) -> bool:
        """Do something that may take long. False: the job was stopped, and the work is dropped."""
        task = asyncio.create_task(work)
        try:
            return await self._done_before_stop(run, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _done_before_stop(self, run: Run, awaited: "asyncio.Future[None]") -> bool:
        """Wait for something or for the stop of its job. True: it is done; what it raised is raised."""
        await asyncio.wait({awaited, self._stops[run.run_id]}, return_when=asyncio.FIRST_COMPLETED)
        if awaited.done():
            awaited.result()
        return awaited.done()

    # After the launch

    async def _follow(self, run: Run, folder: RunFolder) -> None:
        """Turn journal and log into state until the run has an end."""
        job = self._rooms.resources.get(run.job)
        if job is None or run.stream_id is None:
            return
        scrape = scraper(job.body["AlgorithmSpecification"].get("MetricDefinitions", []))
        applied = run.applied
        launches = 0
        scanned_at = 0.0
        while True:
            record = folder.exit_record()
            alive = record is None and folder.is_alive()
            applied = await self._apply_events(run, folder, applied)
            now = self._rooms.clock.monotonic()
            if record is not None or now - scanned_at > _SCAN_SECONDS:
                scanned_at = now
                # Of a run that lives one portion: a flood of lines must not hide its end or a stop.
                while await self._scan(run.stream_id, job, scrape) and record is not None:
                    pass
            if record is not None:
                await self._finish(run, folder, record)
                return
            if not alive and folder.exit_record() is None:
                if applied or launches == _LAUNCHES:
                    await self._lost(run, folder)
                    return
                # It never began: an earlier server died before the launch, or the launch failed.
                launches += 1
                await asyncio.to_thread(launch_once, folder)
            if self._stops[run.run_id].done():
                await asyncio.to_thread(folder.request_stop)
            await asyncio.sleep(_POLL_SECONDS)

    async def _apply_events(self, run: Run, folder: RunFolder, applied: int) -> int:
        for event in folder.events(applied):
            await self._rooms.resources.database.write(partial(_apply, run, event))
            applied = event.sequence
        return applied

    async def _scan(self, stream_id: int, job: Resource, scrape: Scrape) -> int:
        now = self._rooms.clock.now()
        return await self._rooms.logs.scan(stream_id, job.arn, scrape, now, publisher(job.key, now))

    async def _finish(self, run: Run, folder: RunFolder, record: ExitRecord) -> None:
        if record.outcome == "platform_error" and await self._try_again(run, record.message):
            await asyncio.to_thread(folder.delete)
        else:
            await self._settlement.settle(run, folder, record)

    async def _lost(self, run: Run, folder: RunFolder) -> None:
        """No exit record and no lock: the platform lost the run."""
        message = "the process that carried the job is gone"
        if self._stops[run.run_id].done():
            await self._settlement.never_started(run, folder, stopped=True)
        elif not await self._try_again(run, message):
            await self._give_up(run, f"InternalServerError: {message}. Please try again.")
        await asyncio.to_thread(folder.delete)

    async def _try_again(self, run: Run, message: str) -> bool:
        """Queue the job once more, as often as its RetryStrategy says (once where it says nothing)."""
        summary = await asyncio.to_thread(summarize, self._folder(run))
        job = self._rooms.resources.get(run.job)
        if job is None or job.status != "InProgress":
            return False
        retries = job.body.get("RetryStrategy", {}).get("MaximumRetryAttempts", 1)
        if run.attempt > retries:
            return False
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            Runs.mark_settled(transaction, run.run_id)
            RunTokens.revoke(transaction, run.run_id)
            RunRecords.put(transaction, run.job, run.run_id, at, {"attempt": run.attempt, **summary})
            next_id = f"{run.run_id.rpartition('.')[0]}.{run.attempt + 1}"
            Runs.queue(transaction, next_id, run.job, run.attempt + 1, at)
            advance(transaction, run.job, "Restarting", at, message=f"Restarting the training job: {message}")
            transaction.notify(CREATED)

        await self._rooms.resources.database.write(store)
        return True

    async def _give_up(self, run: Run, reason: str) -> None:
        folder = self._folder(run)
        if folder.is_alive():
            await asyncio.to_thread(folder.request_stop)
        await self._settlement.never_started(run, folder, reason=reason)

    async def _advance(self, run: Run, secondary: str, message: str) -> None:
        at = self._rooms.clock.now()
        await self._rooms.resources.database.write(
            lambda t: advance(t, run.job, secondary, at, message=message)
        )


def _only_waits(job: Resource) -> bool:
    """Whether a job lacks nothing but its turn. Images of frameworks may have to be built, and say what they are."""
    kind = job.body.get("_ImageKind", "framework")
    return job.status == "InProgress" and job.body["SecondaryStatus"] == "Pending" and kind != "framework"


def _will_pass(error: Exception) -> bool:
    """Whether it may go well later: a full disk, a store that cannot write now, too many open files."""
    if isinstance(error, OSError):
        return error.errno in _PASSING
    if isinstance(error, ServiceError):
        return error.code == "InsufficientStorage"
    return isinstance(error, sqlite3.OperationalError)


_SECONDARY_OF_EVENT = {"launched": "Training", "uploading": "Uploading"}


def _apply(run: Run, event: Event, transaction: Transaction) -> None:
    """Turn one journal event into state, in the transaction that remembers it."""
    secondary = _SECONDARY_OF_EVENT.get(event.kind)
    job = Resources.fetch(transaction, run.job)
    if (
        secondary is not None
        and job is not None
        and not (job.status == "Stopping" and secondary != "Uploading")
    ):
        changes = {}
        if secondary == "Training" and "TrainingStartTime" not in job.body:
            changes["TrainingStartTime"] = max(event.at, job.created_at)
        advance(transaction, run.job, secondary, event.at, changes=changes)
    Runs.mark_applied(transaction, run.run_id, event.sequence)
    if event.kind == "launched":
        _log.info("%s: training since %s", run.job.name, iso8601(event.at))
