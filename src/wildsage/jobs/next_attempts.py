"""After an attempt that was not the last: the next one is queued, and goes on from the checkpoints that are stored."""

import asyncio
from pathlib import Path

from wildsage.jobs.attempts import Attempts, runtime_limit
from wildsage.jobs.history import Phase
from wildsage.jobs.kinds import kind_of
from wildsage.jobs.launch import Rooms
from wildsage.jobs.settle import close, summaries_of
from wildsage.store.database import Transaction
from wildsage.store.runs import Gang, Runs
from wildsage.supervisor.contract import ExitRecord
from wildsage.supervisor.folder import RunFolder

CREATED = "job-created"
"""Topic of the store: notified by whoever queues a run."""


def seconds_of_lost(folder: RunFolder) -> float:
    """Return how long the container of a lost run ran, as far as its journal and its log say: it left no more."""
    launched = [event.at for event in folder.events() if event.kind == "launched"]
    if not launched:
        return 0.0
    try:
        last_line = Path(folder.job().log_path).stat().st_mtime
    except OSError:
        return 0.0
    return max(0.0, last_line - launched[0])


class NextAttempts:
    """Queues them. Each is one transaction: after a crash it was done, or is done again."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def after(self, gang: Gang, record: ExitRecord) -> bool:
        """Queue a job if its attempt that ended so has a successor. False: it was the last."""
        if record.outcome == "platform_error":
            return await self.after_loss(gang, record.message, record.billable_seconds)
        if record.outcome == "stopped" and record.stop_reason == "interrupted":
            return await self._after_interruption(gang, record.billable_seconds)
        return False

    async def after_loss(self, gang: Gang, message: str, seconds: float) -> bool:
        """Queue a job whose attempt the platform lost after `seconds` of running. False: that was often enough."""
        job, kind = self._rooms.resources.get(gang.job), kind_of(gang.job)
        if job is None or Attempts.of(job).retries >= kind.retries(job.body):
            return False
        text = f"Restarting the {kind.noun}: {message}"
        return await self._queue(gang, Attempts.of(job).lost(seconds), "restarting", text)

    async def _after_interruption(self, gang: Gang, seconds: float) -> bool:
        job = self._rooms.resources.get(gang.job)
        return job is not None and await self._queue(
            gang, Attempts.of(job).interrupted(seconds), "interrupted"
        )

    async def _queue(self, gang: Gang, attempts: Attempts, phase: Phase, message: str | None = None) -> bool:
        """Queue the next attempt. False: the job is to stop, or has had its time."""
        summaries = await asyncio.to_thread(summaries_of, self._rooms, gang)
        job, kind = self._rooms.resources.get(gang.job), kind_of(gang.job)
        if job is None or job.status != "InProgress":
            return False
        left = attempts.left_of(runtime_limit(job))
        if left is not None and left <= 0:
            return False
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            close(transaction, gang, at, summaries)
            Runs.queue(transaction, gang.next_run_id, gang.job, gang.attempt + 1, at, len(gang.runs))
            changes = attempts.members()
            kind.history.advance(transaction, gang.job, phase, at, message=message, changes=changes)
            transaction.notify(CREATED)

        await self._rooms.resources.database.write(store)
        for run in gang.runs:
            await self._rooms.keys.revoke_bound(run.run_id)
        return True
