"""Carries every endpoint: one `LiveEndpoint` for each that is in the store."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable

from wildsage.serving.deployments import ENDPOINT
from wildsage.serving.endpoint import LiveEndpoint
from wildsage.serving.fleet import Rooms
from wildsage.serving.router import Router
from wildsage.store.resources import Key

_ADOPTION_SECONDS = 1.0
_POLL_SECONDS = 0.01

_log = logging.getLogger(__name__)


class ServingReconciler:
    """Runs for as long as the server does. `start` takes up what an earlier server left."""

    def __init__(self, rooms: Rooms, router: Router) -> None:
        self._rooms = rooms
        self._router = router
        self._endpoints: dict[Key, LiveEndpoint] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to work, on the running event loop.

        Returns once every endpoint in service answers again from the workers that survived, or after a
        second: the rest goes on in the background.
        """
        self._rooms.database.wake(ENDPOINT, self._woken)
        self._take_up()
        self._task = asyncio.create_task(self._watch(), name="serving-reconciler")
        deadline = self._rooms.clock.monotonic() + _ADOPTION_SECONDS
        while True:
            settled = all(endpoint.is_settled for endpoint in self._endpoints.values())
            if settled or self._rooms.clock.monotonic() >= deadline:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> None:
        """Let go of everything. The workers live on: their supervisors are not this server's children."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints.values()))
        self._endpoints.clear()

    def worker_states(self) -> Counter[str]:
        """Return the number of workers of all endpoints by state. Safe in any thread."""
        endpoints = list(self._endpoints.values())
        return Counter(state for endpoint in endpoints for state in endpoint.worker_states())

    async def _watch(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                self._take_up()
            except sqlite3.Error:
                _log.exception("the store refused to list the endpoints; trying again")
                await asyncio.sleep(1)
                self._woken.set()
            for endpoint in self._endpoints.values():
                endpoint.wake()

    def _take_up(self) -> None:
        """Begin to carry the endpoints that nobody carries."""
        rows = self._rooms.database.read(
            "SELECT account, region, name FROM resource WHERE kind = ?", (ENDPOINT,)
        )
        for row in rows:
            key = Key(row["account"], row["region"], ENDPOINT, row["name"])
            if key not in self._endpoints:
                endpoint = LiveEndpoint(key, self._rooms, self._router, self._on_gone(key))
                endpoint.start()  # first: one that could not read its workers is tried again
                self._endpoints[key] = endpoint

    def _on_gone(self, key: Key) -> Callable[[], None]:
        def forget() -> None:
            self._endpoints.pop(key, None)
            # One of the same name may have been created in this very moment.
            self._woken.set()

        return forget
