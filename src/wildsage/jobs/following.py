"""While containers run: the journals and logs of a job's hosts become state, and what ends one ends all."""

import asyncio
from functools import partial

from wildsage.jobs.endings import Ending, reason_for_others
from wildsage.jobs.events import apply_event
from wildsage.jobs.kinds import kind_of
from wildsage.jobs.launch import Rooms, launch_once
from wildsage.jobs.metrics import publisher, scraper
from wildsage.jobs.settle import ArtifactError, Settlement
from wildsage.store.resources import Resource
from wildsage.store.runs import Gang, Run
from wildsage.supervisor.contract import StopReason
from wildsage.supervisor.folder import RunFolder

_POLL_SECONDS = 0.025
_SCAN_SECONDS = 0.25
_LAUNCHES = 3


class _Host:
    """What is known of one host.

    Attributes
    ----------
    applied
        Sequence number of the last journal event that became state.
    reached
        Kinds of the events that became state.
    """

    def __init__(self, run: Run, folder: RunFolder) -> None:
        self.run = run
        self.folder = folder
        self.applied = run.applied
        self.reached = {event.kind for event in folder.events() if event.sequence <= run.applied}
        self.launches = 0
        self.scanned_at = 0.0
        self.told: StopReason | None = None
        self.ending: Ending | None = None


class Following:
    """Follows the hosts of a gang from their launch to their ends.

    Parameters
    ----------
    stop
        Done when the job is to stop, with the reason.
    """

    def __init__(
        self,
        rooms: Rooms,
        settlement: Settlement,
        gang: Gang,
        job: Resource,
        stop: asyncio.Future[StopReason],
    ) -> None:
        self._rooms = rooms
        self._settlement = settlement
        self._job = job
        self._stop = stop
        self._scrape = scraper(kind_of(job.key).metric_definitions(job.body))
        self._hosts = [_Host(run, rooms.folder_of(run)) for run in gang.runs]

    async def ended(self) -> list[Ending]:
        """Wait until every host has ended; returns how, in their order."""
        while True:
            for host in self._hosts:
                if host.ending is None:
                    await self._look_at(host)
            endings = [host.ending for host in self._hosts if host.ending is not None]
            if len(endings) == len(self._hosts):
                return endings
            await self._stop_the_others(endings)
            await asyncio.sleep(_POLL_SECONDS)

    async def _look_at(self, host: _Host) -> None:
        record = host.folder.exit_record()
        is_alive = record is None and host.folder.is_alive()
        await self._apply_events(host)
        now = self._rooms.clock.monotonic()
        if not is_alive or now - host.scanned_at > _SCAN_SECONDS:
            host.scanned_at = now
            # Of a run that lives one portion: a flood of lines must not hide its end or a stop.
            while await self._scan(host.run) and not is_alive:
                pass
            if record is None:
                await self._deliver_sent(host.folder)
        if record is not None:
            host.ending = Ending(host.run, host.folder, record)
        elif not is_alive and host.folder.exit_record() is None:
            if host.applied or host.launches == _LAUNCHES:
                host.ending = Ending(host.run, host.folder, None)
                return
            # It never began: an earlier server died before the launch, or the launch failed.
            host.launches += 1
            await asyncio.to_thread(launch_once, host.folder)

    async def _stop_the_others(self, endings: list[Ending]) -> None:
        """End the hosts that still run, if the job is to stop or one that has ended says so."""
        reason = self._stop.result() if self._stop.done() else reason_for_others(endings)
        for host in self._hosts:
            if reason is not None and host.ending is None and host.told != reason:
                await asyncio.to_thread(host.folder.request_stop, reason)
                host.told = reason

    async def _scan(self, run: Run) -> int:
        if run.stream_id is None:
            return 0
        now, job = self._rooms.clock.now(), self._job
        return await self._rooms.logs.scan(run.stream_id, job.arn, self._scrape, now, publisher(job.key, now))

    async def _deliver_sent(self, folder: RunFolder) -> None:
        """Upload what is ready; a job that may not upload is stopped, and its end says why."""
        if not any(delivery.is_continuous for delivery in kind_of(self._job.key).deliveries_of(self._job)):
            return
        try:
            await self._settlement.deliver_sent(self._job, folder)
        except ArtifactError:
            await asyncio.to_thread(folder.request_stop, "bad_output")

    async def _apply_events(self, host: _Host) -> None:
        for event in host.folder.events(host.applied):
            host.reached.add(event.kind)
            is_shown = all(event.kind in each.reached for each in self._hosts)
            await self._rooms.resources.database.write(partial(apply_event, host.run, event, is_shown))
            host.applied = event.sequence
