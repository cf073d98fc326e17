"""What is too old goes: log events by the retention of their group, metrics after fifteen months."""

import asyncio
import logging
import sqlite3

from wildsage.core.clock import Clock
from wildsage.store.log_retention import LogRetention
from wildsage.store.metrics import MetricStore

_EVERY_SECONDS = 3_600.0
_METRICS_KEPT_SECONDS = 455 * 86_400

_log = logging.getLogger(__name__)


class Housekeeping:
    """Runs for as long as the server does: at its start, and once an hour."""

    def __init__(self, retention: LogRetention, metrics: MetricStore, clock: Clock) -> None:
        self._retention = retention
        self._metrics = metrics
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.tidy()
            except (sqlite3.Error, OSError):
                _log.exception("what is too old could not be removed; trying again in an hour")
            await asyncio.sleep(_EVERY_SECONDS)

    async def tidy(self) -> None:
        """Remove what is too old now."""
        now = self._clock.now()
        await self._retention.sweep(now)
        while await self._metrics.expire(int(now) - _METRICS_KEPT_SECONDS):
            pass
