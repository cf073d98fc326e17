"""What CloudWatch shows of invocations: counted in memory, written every few seconds.

Source: "Monitor Amazon SageMaker with Amazon CloudWatch", endpoint invocation metrics (developer guide).
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from wildsage.core.clock import Clock
from wildsage.serving.router import RouteKey, Router
from wildsage.store.distributions import Distribution
from wildsage.store.metrics import Metric, MetricStore, Sample

NAMESPACE = "AWS/SageMaker"
_FLUSH_SECONDS = 5.0

Place = tuple[str, str, str, str]
"""Account, region, endpoint, variant."""
_Call = tuple[int, float, float]
"""Status of the model's answer (0: none came), seconds of the model, seconds of everything else."""

_log = logging.getLogger(__name__)


class InvocationMetrics:
    """Counts invocations, on one event loop, and adds them to the metrics of their variants.

    Parameters
    ----------
    router
        Knows how many instances a variant has.
    """

    def __init__(self, metrics: MetricStore, router: Router, clock: Clock) -> None:
        self._metrics = metrics
        self._router = router
        self._clock = clock
        self._calls: dict[Place, list[_Call]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    def count(self, place: Place, status: int, model_seconds: float, other_seconds: float) -> None:
        """Count an invocation that was sent to a model."""
        self._calls[place].append((status, model_seconds, other_seconds))

    def start(self) -> None:
        """Begin to write, on the running event loop."""
        self._task = asyncio.create_task(self._write(), name="invocation-metrics")

    async def stop(self) -> None:
        """Write what is left, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(sqlite3.Error):
            await self.flush()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except sqlite3.Error:
                # Invocations go on, and what they are worth is in their answers.
                _log.exception("invocations of the last %g s are missing in the metrics", _FLUSH_SECONDS)

    async def flush(self) -> None:
        """Write what was counted since the last time."""
        if not self._calls:
            return
        calls, self._calls = self._calls, defaultdict(list)
        instances = {place: self._instances(place) for place in calls}
        now = self._clock.now()
        samples = await asyncio.to_thread(lambda: list(_samples(calls, instances.__getitem__, now)))
        await self._metrics.put(samples, now)

    def _instances(self, place: Place) -> int:
        account, region, endpoint, name = place
        route = self._router.routes.get(RouteKey(account, region, endpoint))
        variants = () if route is None else route.variants
        return max(1, sum(len(variant.targets) for variant in variants if variant.name == name))


def _samples(
    calls: Mapping[Place, Sequence[_Call]], instances: Callable[[Place], int], at: float
) -> Iterator[Sample]:
    for place, items in calls.items():
        account, region, endpoint, variant = place
        dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        statuses = Counter(status for status, _, _ in items)
        each = float(len(items))
        values = {
            "Invocations": Distribution.of([1.0], [each]),
            "InvocationsPerInstance": Distribution.of([1.0 / instances(place)], [each]),
            "Invocation4XXErrors": _share(statuses, lambda status: 400 <= status < 500),
            "Invocation5XXErrors": _share(statuses, lambda status: 500 <= status < 600),
            "InvocationModelErrors": _share(statuses, lambda status: not 200 <= status < 300),
            "ModelLatency": Distribution.of(float(round(model * 1e6)) for _, model, _ in items),
            "OverheadLatency": Distribution.of(float(round(other * 1e6)) for _, _, other in items),
        }
        for name, distribution in values.items():
            unit = "Microseconds" if name.endswith("Latency") else "None"
            yield Sample(Metric(account, region, NAMESPACE, name, dimensions), at, distribution, unit)


def _share(statuses: Mapping[int, int], counts: Callable[[int], bool]) -> Distribution:
    """Return 1 for each call whose status counts, and 0 for the others."""
    ones = sum(number for status, number in statuses.items() if counts(status))
    pairs = ((0.0, sum(statuses.values()) - ones), (1.0, ones))
    there = [(value, float(number)) for value, number in pairs if number]
    return Distribution.of([value for value, _ in there], [number for _, number in there])
