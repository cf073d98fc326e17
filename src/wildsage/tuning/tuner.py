"""Carries every tuning job that is not over: each has a task, woken by what happens in the store.

The store tells of tuning jobs that are made or asked to stop, of training jobs that end, and of what they report.
Nothing is asked for again and again.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial

from wildsage.jobs.settle import ENDED
from wildsage.store.database import Database
from wildsage.store.logs import METRICS
from wildsage.store.resources import Key
from wildsage.store.tuning_trials import TUNING_JOB
from wildsage.tuning.conductor import Conductor, Rooms

_RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Tuner:
    """Runs for as long as the server does. `start` takes up what an earlier server left.

    Parameters
    ----------
    telemetry
        The database that tells of what jobs report.
    """

    def __init__(self, rooms: Rooms, telemetry: Database) -> None:
        self._rooms = rooms
        self._telemetry = telemetry
        self._conductors: dict[Key, Conductor] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._own: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        loop = asyncio.get_running_loop()
        state = self._rooms.resources.database
        for database, topic, look in (
            (state, TUNING_JOB, self._take_up),
            (state, ENDED, self._tell_ends),
            (self._telemetry, METRICS, self._tell_reports),
        ):
            woken = asyncio.Event()
            database.wake(topic, woken)
            woken.set()
            self._own.append(loop.create_task(self._watch(woken, look), name=f"tuner-{topic}"))

    async def stop(self) -> None:
        """Let go of everything. Training jobs go on, and are taken up by the next server."""
        tasks = [*self._own, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._rooms.searching.close()

    async def _watch(self, woken: asyncio.Event, look: Callable[[], None]) -> None:
        while True:
            await woken.wait()
            woken.clear()
            try:
                look()
            except sqlite3.Error:
                _log.exception("the store refused to list tuning jobs; trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                woken.set()

    def _take_up(self) -> None:
        """Begin to carry new tuning jobs; those that are carried may be asked to stop."""
        for key in self._rooms.trials.unfinished():
            if key in self._conductors:
                self._conductors[key].wake()
            else:
                conductor = self._conductors[key] = Conductor(self._rooms, key)
                task = self._tasks[key] = asyncio.create_task(conductor.carry(), name=f"tune-{key.name}")
                task.add_done_callback(partial(self._forget, key))

    def _tell_ends(self) -> None:
        if self._conductors:
            for key in self._rooms.trials.with_ended_jobs() & self._conductors.keys():
                self._conductors[key].wake()

    def _tell_reports(self) -> None:
        for conductor in self._conductors.values():
            if conductor.judges:
                conductor.wake()

    def _forget(self, key: Key, task: "asyncio.Task[None]") -> None:
        del self._conductors[key]
        del self._tasks[key]
        if not task.cancelled() and task.exception() is not None:
            _log.error("tuning job %s is not carried any more", key.name, exc_info=task.exception())
