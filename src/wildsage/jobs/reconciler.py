"""Carries every job from its creation to its one terminal state.

A job that is not over has one task here; one that waits for capacity and for nothing else has a turn, and gets its
task with it: thousands may wait. The task can stop at any point (this server dies) and start again from the store
and the folders of its runs, one for each host: each step is either one transaction or may be repeated.

queued ── capacity, inputs, image ──▶ folders written ──▶ launched ── journals, logs ──▶ exit records ──▶ settled
"""

import asyncio
import contextlib
import errno
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from wildsage.core.errors import ServiceError
from wildsage.jobs.attempts import wait_left
from wildsage.jobs.capacity import Capacity, Slot, Turn
from wildsage.jobs.endings import Ending, decisive
from wildsage.jobs.following import Following
from wildsage.jobs.history import LAUNCHING, Phase, waiting
from wildsage.jobs.kind import IMAGE_KIND
from wildsage.jobs.kinds import KINDS, kind_of
from wildsage.jobs.launch import CannotStartError, Launcher, Rooms
from wildsage.jobs.next_attempts import CREATED, NextAttempts, seconds_of_lost
from wildsage.jobs.settle import ArtifactError, Settlement
from wildsage.store.resources import Resource
from wildsage.store.runs import Gang, Run
from wildsage.supervisor.contract import StopReason
from wildsage.supervisor.folder import RunFolder

STOPPING = "job-stopping"
"""Topic of the store: notified by whoever asks for the stop of a job."""

_UNNOTICED_SECONDS = 0.1
_QUEUE_SECONDS = 0.02
_RETRY_SECONDS = 1.0
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO}
)

_log = logging.getLogger(__name__)


class JobReconciler:
    """Runs for as long as the server does. `start` takes up what an earlier server left."""

    def __init__(self, rooms: Rooms, capacity: Capacity) -> None:
        self._rooms = rooms
        self._capacity = capacity
        self._launcher = Launcher(rooms)
        self._next_attempts = NextAttempts(rooms)
        self._settlement = Settlement(rooms)
        self._waiting: dict[str, tuple[Gang, Turn]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # Of the runs that are carried: done if to stop, with the reason.
        self._stops: dict[str, asyncio.Future[StopReason]] = {}
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
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
            loop.create_task(asyncio.to_thread(self._sweep, self._left_over()), name="job-sweep"),
        ]

    async def stop(self) -> None:
        """Let go of everything. The runs go on: their supervisors are not this server's children."""
        turns = [turn for _, turn in self._waiting.values()]
        self._waiting.clear()  # first of all: what is let go of below would begin the next one
        for deadline in self._deadlines.values():
            deadline.cancel()
        for turn in turns:
            self._capacity.leave(turn)
        tasks = [*self._own, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _left_over(self) -> list[RunFolder]:
        """Return the folders of runs that were over before this server began to carry any."""
        living = {run.run_id for run in self._rooms.runs.unsettled()}
        runs = self._rooms.layout.runs
        paths = [path for kind in KINDS.values() for path in runs.glob(f"{kind.run_prefix}-*")]
        return [RunFolder(path) for path in paths if path.name not in living]

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
        for gang, job in self._rooms.runs.unsettled_with_jobs(self._last_seen):
            self._last_seen = gang.runs[-1].id
            self._set_deadline(gang, job)
            if gang.state == "queued" and _only_waits(job):
                turn = self._capacity.request(*self._slots(job), party=_party(job))
                self._waiting[gang.run_id] = gang, turn
                turn.came.add_done_callback(partial(self._begin_waiting, gang.run_id))
            else:
                self._begin(gang, job)

    def _begin_waiting(self, run_id: str, _came: object = None) -> None:
        """Begin to carry a run that waits, unless that was done: its turn has come, or it is to stop."""
        if run_id in self._waiting:
            gang, turn = self._waiting.pop(run_id)
            self._begin(gang, turn=turn)

    def _begin(self, gang: Gang, job: Resource | None = None, turn: Turn | None = None) -> None:
        self._stops[gang.run_id] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._carry_guarded(gang, job, turn), name=f"run-{gang.run_id}")
        self._tasks[gang.run_id] = task
        task.add_done_callback(partial(self._forget, gang.run_id))

    def _tell_stops(self) -> None:
        for run_id in self._rooms.runs.stopping():
            self._begin_waiting(run_id)
            if run_id in self._stops:
                self._ask_to_stop(run_id)

    def _ask_to_stop(self, run_id: str, reason: StopReason = "requested") -> None:
        if not self._stops[run_id].done():
            self._stops[run_id].set_result(reason)

    def _set_deadline(self, gang: Gang, job: Resource) -> None:
        """Let a job end that has not completed within its MaxWaitTimeInSeconds. Its supervisors know it too."""
        left = wait_left(job, self._rooms.clock.now())
        if left is not None:
            loop = asyncio.get_running_loop()
            self._deadlines[gang.run_id] = loop.call_later(left, self._be_overdue, gang.run_id)

    def _be_overdue(self, run_id: str) -> None:
        self._begin_waiting(run_id)
        if run_id in self._stops:
            self._ask_to_stop(run_id, "max_wait")

    def _forget(self, run_id: str, _task: "asyncio.Task[None]") -> None:
        if run_id in self._deadlines:
            self._deadlines.pop(run_id).cancel()
        del self._tasks[run_id]
        del self._stops[run_id]

    async def _carry_guarded(self, gang: Gang, job: Resource | None, turn: Turn | None) -> None:
        """Carry a run; where the disk is full or the like, wait until that has passed."""
        current: Gang | None = gang
        while current is not None:
            try:
                await self._carry_or_fail(current, job, turn)
            except (sqlite3.Error, OSError, ServiceError):
                _log.exception("run %s: the disk or the store is in trouble; trying again", gang.run_id)
                await asyncio.sleep(_RETRY_SECONDS)
                job = turn = None
                with contextlib.suppress(sqlite3.Error):
                    current = self._rooms.runs.unsettled_gang(gang)
            else:
                return

    async def _carry_or_fail(self, gang: Gang, job: Resource | None, turn: Turn | None) -> None:
        """Carry a run; a fault of ours fails the job with a reason instead of leaving it for ever."""
        try:
            await self._carry(gang, job, turn)
        except CannotStartError as error:
            await self._settlement.never_started(gang, reason=f"ClientError: {error}")
        except Exception as error:
            if _will_pass(error):
                raise
            _log.exception("run %s of %s failed inside Wildsage", gang.run_id, gang.job.name)
            await self._give_up(gang, f"InternalServerError: {type(error).__name__}: {error}")

    async def _carry(self, gang: Gang, seen: Resource | None, turn: Turn | None) -> None:
        """Carry a run whose job was `seen` a moment ago, or is read now, and that may have a turn already."""
        try:
            job = seen or self._rooms.resources.get(gang.job)
            if job is None:
                return
            if job.status == "Stopping":  # asked before the run was seen
                self._ask_to_stop(gang.run_id)
            if gang.state == "launched":
                turn = self._capacity.take_now(*self._slots(job), party=_party(job))
            else:
                is_ready = await self._prepare(gang, job)
                turn = turn or self._capacity.request(*self._slots(job), party=_party(job))
                if not is_ready or not await self._wait_for(gang, job, turn):
                    await self._settlement.never_started(gang, stopped=self._stops[gang.run_id].result())
                    return
                gang = await self._launcher.launch(gang, job, turn.slots)
            await self._follow(gang)
        finally:
            if turn is not None:
                self._capacity.leave(turn)

    def _slots(self, job: Resource) -> tuple[Slot, ...]:
        return self._capacity.slots_for(kind_of(job.key).cluster_of(job.body).instance_types)

    # Before the launch

    async def _prepare(self, gang: Gang, job: Resource) -> bool:
        """Make the image ready. False: the job was stopped before it was."""
        history = kind_of(job.key).history
        if history.is_at(job, "interrupted") or history.is_at(job, "restarting"):
            await self._advance(gang, "starting", LAUNCHING)
        await self._launcher.look_up(job)
        return self._launcher.is_prepared(job) or await self._unless_stopped(
            gang, self._launcher.prepare(gang, job)
        )

    async def _wait_for(self, gang: Gang, job: Resource, turn: Turn) -> bool:
        """Wait for a slot. False: the job was stopped before there was one."""
        # Most that wait knew it when they were created: a job that waits costs no write then.
        if not kind_of(job.key).history.is_at(job, "waiting"):
            stop = self._stops[gang.run_id]
            either: set[asyncio.Future[Any]] = {turn.came, stop}
            await asyncio.wait(either, timeout=_UNNOTICED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not turn.came.done() and not stop.done():
                await self._advance(gang, "waiting", waiting(turn.ahead))
        return await self._done_before_stop(gang, turn.came)

    async def _unless_stopped(self, gang: Gang, work: Coroutine[Any, Any, None]) -> bool:
        """Do something that may take long. False: the job was stopped, and the work is dropped."""
        task = asyncio.create_task(work)
        try:
            return await self._done_before_stop(gang, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _done_before_stop(self, gang: Gang, awaited: "asyncio.Future[None]") -> bool:
        """Wait for something or for the stop of its job. True: it is done; what it raised is raised."""
        either: set[asyncio.Future[Any]] = {awaited, self._stops[gang.run_id]}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if awaited.done():
            awaited.result()
        return awaited.done()

    # After the launch

    async def _follow(self, gang: Gang) -> None:
        """Turn journals and logs into state until the attempt has an end."""
        job = self._rooms.resources.get(gang.job)
        if job is None:
            return
        endings = await Following(self._rooms, self._settlement, gang, job, self._stops[gang.run_id]).ended()
        ending = decisive(endings)
        if ending.record is None:
            await self._lost(gang, job, ending)
        elif not await self._next_attempts.after(gang, ending.record):
            await self._settlement.settle(gang, endings)
        await self._delete_folders(gang)

    async def _lost(self, gang: Gang, job: Resource, ending: Ending) -> None:
        """No exit record and no lock: the platform lost a host."""
        message = "the process that carried the job is gone"
        with contextlib.suppress(ArtifactError):  # the next attempt is told so, or the end is one anyway
            for run in gang.runs:
                await self._settlement.deliver_sent(job, self._rooms.folder_of(run))
        stop, now = self._stops[gang.run_id], self._rooms.resources.get(gang.job)
        if now is not None and now.status == "Stopping":  # the word of it may still be on its way
            self._ask_to_stop(gang.run_id)
        if stop.done():
            await self._settlement.never_started(gang, stopped=stop.result())
        elif not await self._next_attempts.after_loss(gang, message, seconds_of_lost(ending.folder)):
            await self._give_up(gang, f"InternalServerError: {message}. Please try again.", ending.run)

    async def _give_up(self, gang: Gang, reason: str, blamed: Run | None = None) -> None:
        for run in gang.runs:
            folder = self._rooms.folder_of(run)
            if folder.is_alive():
                await asyncio.to_thread(folder.request_stop)
        await self._settlement.never_started(gang, reason=reason, blamed=blamed)

    async def _delete_folders(self, gang: Gang) -> None:
        """Remove what the end of an attempt left of its folders; those that are kept are elsewhere by now."""
        for run in gang.runs:
            await asyncio.to_thread(self._rooms.folder_of(run).delete)

    async def _advance(self, gang: Gang, phase: Phase, message: str) -> None:
        at, history = self._rooms.clock.now(), kind_of(gang.job).history
        await self._rooms.resources.database.write(
            lambda t: history.advance(t, gang.job, phase, at, message=message)
        )


def _only_waits(job: Resource) -> bool:
    """Whether a job lacks nothing but its turn. Images of frameworks may have to be built, and say what they are."""
    is_waiting = kind_of(job.key).history.is_at(job, "waiting")
    return job.status == "InProgress" and is_waiting and job.body.get(IMAGE_KIND, "framework") != "framework"


def _party(job: Resource) -> str:
    """Return what shares the machine as one: the tuning job of a training job, if it has one."""
    party: str = job.body.get("TuningJobArn", "")
    return party


def _will_pass(error: Exception) -> bool:
    """Whether it may go well later: a full disk, a store that cannot write now, too many open files."""
    if isinstance(error, OSError):
        return error.errno in _PASSING
    if isinstance(error, ServiceError):
        return error.code == "InsufficientStorage"
    return isinstance(error, sqlite3.OperationalError)
