"""The workers of one endpoint: place the missing, see out the surplus, remember what went wrong."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from wildsage.core.clock import Clock
from wildsage.serving.deployments import Deployment, VariantPlan
from wildsage.serving.orders import Order
from wildsage.serving.placements import Placement, Placements, new_placement
from wildsage.serving.router import EndpointRoute, VariantRoute
from wildsage.serving.worker import Ending, Timing, Worker
from wildsage.store.database import Database, Transaction
from wildsage.store.layout import Layout
from wildsage.store.log_groups import GroupNotFoundError
from wildsage.store.logs import LogStream, LogStreams, StreamNotFoundError
from wildsage.store.resources import Key, Resources
from wildsage.store.run_records import RunRecords
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.summary import summarize

_LONGEST_BACKOFF_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Describes launches (`wildsage.serving.orders.OrderDesk`)."""

    def order(self, placement: Placement, plan: VariantPlan) -> Coroutine[Any, Any, Order]:
        """Make everything ready for the launch of a worker."""
        ...

    def settle(self, run_id: str) -> Coroutine[Any, Any, None]:
        """Take back what a worker that has ended was given. May be repeated."""
        ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """What fleets work with."""

    layout: Layout
    clock: Clock
    database: Database
    logs: LogStreams
    desk: Desk
    timing: Timing


@dataclass(slots=True)
class _Failures:
    """Workers of a variant that ended before they were ever ready, one after another."""

    count: int
    last: Ending
    retry_at: float


def _summary(folder: RunFolder, ending: Ending) -> dict[str, Any]:
    """Return what is known of a worker that has ended."""
    return {**summarize(folder), "ending": {"kind": ending.kind, "detail": ending.detail}}


class Fleet:
    """All workers of an endpoint, whichever deployment they belong to.

    Parameters
    ----------
    changed
        Called whenever a worker's state has changed.
    """

    def __init__(self, endpoint: Key, rooms: Rooms, changed: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._rooms = rooms
        self._changed = changed
        self._placements = Placements(rooms.database)
        self._workers: dict[str, Worker] = {}
        self._adopted: set[str] = set()
        self._proven: set[str] = set()  # were ready once: a variant that can start has no failures any more
        self._failures: dict[tuple[int, str], _Failures] = {}

    def adopt(self, deployments: Collection[Deployment]) -> None:
        """Take up the workers that an earlier server left."""
        plans = {(item.generation, plan.name): plan for item in deployments for plan in item.variants}
        for placement in self._placements.of(self._endpoint):
            self._adopted.add(placement.run_id)
            self._start(placement, plans.get((placement.generation, placement.variant)), adopted=True)

    async def close(self) -> None:
        """Let go of all workers; their processes live on."""
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))

    # What there is

    @property
    def is_empty(self) -> bool:
        """Whether no worker is left, not even one that is leaving."""
        return not self._workers

    def worker_states(self) -> list[str]:
        """Return the state of each worker. Safe in any thread."""
        return [worker.state for worker in list(self._workers.values())]

    def running(self, deployment: Deployment) -> dict[str, int]:
        """Return the number of ready workers by variant."""
        return {
            plan.name: sum(worker.ready for worker in self._staying(deployment, plan))
            for plan in deployment.variants
        }

    def is_complete(self, deployment: Deployment) -> bool:
        """Whether every variant has the workers it wants, and no other, and all are ready."""
        running = self.running(deployment)
        return all(
            running[plan.name] == plan.count == len(self._staying(deployment, plan))
            for plan in deployment.variants
        )

    def route(self, deployment: Deployment) -> EndpointRoute:
        """Return where invocations go."""
        return EndpointRoute(
            tuple(
                VariantRoute(plan.name, plan.weight, tuple(self._staying(deployment, plan)))
                for plan in deployment.variants
            )
        )

    def failure(self, deployment: Deployment, attempts: int) -> tuple[str, Ending] | None:
        """Return the variant that failed to start `attempts` times in a row, and the last ending."""
        for plan in deployment.variants:
            failures = self._failures.get((deployment.generation, plan.name))
            if failures is not None and failures.count >= attempts:
                return plan.name, failures.last
        return None

    def hopeless(self, deployment: Deployment) -> tuple[str, Ending] | None:
        """Return a variant whose start failed for a reason that another attempt does not change."""
        for plan in deployment.variants:
            failures = self._failures.get((deployment.generation, plan.name))
            if failures is not None and failures.last.kind in ("refused", "unhealthy"):
                return plan.name, failures.last
        return None

    def due_in(self) -> float | None:
        """Return the seconds until a postponed start is due; None: there is none."""
        now = self._rooms.clock.monotonic()
        waits = [item.retry_at - now for item in self._failures.values() if item.retry_at > now]
        return min(waits, default=None)

    # What is done

    async def converge(self, deployment: Deployment) -> None:
        """Start the workers that a deployment lacks, and retire those it has too many."""
        for plan in deployment.variants:
            staying = self._staying(deployment, plan)
            for worker in sorted(staying, key=lambda worker: worker.ready)[: len(staying) - plan.count]:
                worker.retire()
            failures = self._failures.get((deployment.generation, plan.name))
            if failures is None or failures.retry_at <= self._rooms.clock.monotonic():
                for _ in range(plan.count - len(staying)):
                    await self._place(deployment, plan)

    def retire_all(self, *, but: Collection[int] = ()) -> None:
        """Retire the workers of all deployments except the generations `but`."""
        for worker in self._workers.values():
            if worker.placement.generation not in but and worker.is_staying:
                worker.retire()
        self._failures = {key: item for key, item in self._failures.items() if key[0] in but}

    async def collect(self) -> None:
        """Forget the workers that have ended, and remove their folders."""
        for run_id, worker in list(self._workers.items()):
            if worker.ready and run_id not in self._proven:
                self._proven.add(run_id)
                self._failures.pop((worker.placement.generation, worker.placement.variant), None)
            if worker.ending is None:
                continue
            # Each step may be repeated where a later one fails; only then is the failure counted.
            await self._rooms.desk.settle(run_id)
            record = await asyncio.to_thread(_summary, worker.folder, worker.ending)
            await asyncio.to_thread(worker.folder.delete)
            await worker.close()
            await self._forget(run_id, record)
            self._note(worker, worker.ending)
            self._proven.discard(run_id)
            self._adopted.discard(run_id)
            del self._workers[run_id]

    async def _forget(self, run_id: str, record: Mapping[str, Any]) -> None:
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            Placements.remove(transaction, run_id)
            if Resources.fetch(transaction, self._endpoint) is not None:
                RunRecords.put(transaction, self._endpoint, run_id, at, record)

        await self._rooms.database.write(store)

    def _note(self, worker: Worker, ending: Ending) -> None:
        if ending.was_ready or ending.kind == "retired" or worker.placement.run_id in self._adopted:
            return
        key = (worker.placement.generation, worker.placement.variant)
        count = self._failures[key].count + 1 if key in self._failures else 1
        pause = min(self._rooms.timing.backoff * 2 ** (count - 1), _LONGEST_BACKOFF_SECONDS)
        self._failures[key] = _Failures(count, ending, self._rooms.clock.monotonic() + pause)

    def _staying(self, deployment: Deployment, plan: VariantPlan) -> list[Worker]:
        place = (deployment.generation, plan.name)
        return [
            worker
            for worker in self._workers.values()
            if (worker.placement.generation, worker.placement.variant) == place and worker.is_staying
        ]

    async def _place(self, deployment: Deployment, plan: VariantPlan) -> None:
        placement = new_placement(deployment, plan, self._rooms.clock.now())
        await self._rooms.database.write(lambda t: Placements.add(t, placement))
        self._start(placement, plan, adopted=False)

    def _start(self, placement: Placement, plan: VariantPlan | None, *, adopted: bool) -> None:
        """Begin to carry a worker. One that no deployment knows is seen out."""
        desk = self._rooms.desk
        worker = Worker(
            placement,
            RunFolder(self._rooms.layout.runs / placement.run_id),
            timing=self._timing(plan),
            clock=self._rooms.clock,
            get_order=None if adopted or plan is None else lambda place: desk.order(place, plan),
            scan_log=self._scan_log,
            changed=self._changed,
        )
        self._workers[placement.run_id] = worker
        worker.start()
        if plan is None:
            worker.retire()

    def _timing(self, plan: VariantPlan | None) -> Timing:
        timing = self._rooms.timing
        if plan is None:
            return timing
        return replace(
            timing,
            startup=plan.startup_timeout or timing.startup,
            download=plan.download_timeout or timing.download,
        )

    async def _scan_log(self, placement: Placement) -> None:
        """Index what the worker logged. Its group may be gone: users delete log groups."""
        endpoint, logs = placement.endpoint, self._rooms.logs
        with contextlib.suppress(GroupNotFoundError, StreamNotFoundError, FileNotFoundError):
            group = logs.group(endpoint.account, endpoint.region, placement.log_group)
            stream = logs.stream(group, placement.log_stream)
            if stream.path.stat().st_size > stream.scanned:
                await self._index(stream)

    async def _index(self, stream: LogStream) -> None:
        try:
            await self._rooms.logs.scan(stream.id, "", lambda _frame: (), self._rooms.clock.now())
        except sqlite3.Error:
            # An index that is late costs the reader some time; a worker must not fall for it.
            _log.exception("the log stream %s could not be indexed", stream.name)
