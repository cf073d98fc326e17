"""One worker of an endpoint, from its launch (or its adoption by a restarted server) to its end.

starting ── 200 from /ping ──▶ ready ◀── ping ──▶ doubted ── no answer ──▶ leaving ──▶ ended
                                 └───────────── retired, or the process ends ────┘

A worker owns its process through the run's folder only. When the server goes away, its tasks are
cancelled and the process lives on; the next server adopts it.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from wildsage.core.clock import Clock
from wildsage.hosting.client import Address, ContainerClient, Reply
from wildsage.hosting.container import Container, ContainerEndedError, PingSchedule, UnhealthyError
from wildsage.serving.orders import Order, OrderError
from wildsage.serving.placements import Placement
from wildsage.supervisor.contract import ExitRecord
from wildsage.supervisor.folder import RunFolder

LARGEST_PAYLOAD = 25 * 1024 * 1024

_log = logging.getLogger(__name__)

State = Literal["starting", "ready", "doubted", "leaving", "ended"]
EndKind = Literal["refused", "unhealthy", "exited", "hung", "lost", "retired"]
T = TypeVar("T")

GetOrder = Callable[[Placement], Coroutine[Any, Any, Order]]
ScanLog = Callable[[Placement], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds.

    Attributes
    ----------
    startup, download
        Where the endpoint's configuration does not say: from the container's launch to the first good
        ping, and for the model data before it.
    invocation
        For one answer.
    watch
        How often a worker's process is looked at.
    health
        How often a worker without invocations is pinged; after three failures it is replaced.
    drain
        For the invocations of a worker that is to leave.
    backoff
        Before the second attempt to start a worker; it doubles with each further one.
    """

    pings: PingSchedule = field(default_factory=PingSchedule)
    startup: float = 480.0
    download: float = 3600.0
    invocation: float = 60.0
    watch: float = 0.1
    health: float = 5.0
    drain: float = 60.0
    backoff: float = 0.5


_UNHEALTHY_AFTER = 3
_LOG_SCAN_SECONDS = 1.0
_END_POLL_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_SHOWN_LOG_LINES = 10
_SHOWN_CHARACTERS = 700


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a worker ended.

    Attributes
    ----------
    kind
        ``refused``: it could not be launched. ``unhealthy``: it ran but never answered. ``exited``: its
        container ended. ``hung``: it stopped to answer. ``lost``: its supervisor is gone without a word.
        ``retired``: it was asked to leave.
    was_ready
        Whether it had ever been ready.
    detail
        For the user.
    """

    kind: EndKind
    was_ready: bool
    detail: str


class Worker:
    """A worker and the task that follows it. Is a `wildsage.serving.router.Target`.

    Parameters
    ----------
    get_order
        Describes the launch; None adopts a worker that an earlier server launched.
    changed
        Called whenever `state` has changed.
    """

    def __init__(
        self,
        placement: Placement,
        folder: RunFolder,
        *,
        timing: Timing,
        clock: Clock,
        get_order: GetOrder | None,
        scan_log: ScanLog,
        changed: Callable[[], None],
    ) -> None:
        self.placement = placement
        self.folder = folder
        self.state: State = "starting"
        self.ending: Ending | None = None
        self._timing = timing
        self._clock = clock
        self._get_order = get_order
        self._scan_log = scan_log
        self._changed = changed
        self._was_ready = False
        self._retired = asyncio.Event()
        self._poked = asyncio.Event()
        client = ContainerClient(Address(folder.socket, placement.port), largest_reply=LARGEST_PAYLOAD)
        self._container = Container(
            client, self._is_alive, pings=timing.pings, invocation_timeout=timing.invocation
        )
        self._task: asyncio.Task[None] | None = None

    # Routing

    @property
    def ready(self) -> bool:
        """Whether it may get an invocation now."""
        return self.state == "ready"

    @property
    def outstanding(self) -> int:
        """Invocations it has not answered yet."""
        return self._container.outstanding

    @property
    def log_stream(self) -> str:
        """Name of its log stream."""
        return self.placement.log_stream

    def invoke(self, body: bytes, headers: Iterable[tuple[str, str]]) -> Awaitable[Reply]:
        """Send an invocation. Raises `wildsage.hosting.client.CallError`."""
        return self._container.invoke(body, headers)

    def doubt(self) -> None:
        """Say that a call failed: it gets no more until it has answered a ping."""
        if self.state == "ready":
            self._enter("doubted")
        self._poked.set()

    # Life

    def start(self) -> None:
        """Begin to carry the worker, in a task."""
        self._task = asyncio.create_task(self._run(), name=f"worker-{self.placement.run_id}")

    async def close(self) -> None:
        """Let go of the worker; its process lives on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._container.close()

    def retire(self) -> None:
        """Ask the worker to leave: no new invocations, the ones under way are answered, then it stops."""
        if self.state in ("ready", "doubted"):
            self._enter("leaving")
        self._retired.set()
        self._poked.set()

    @property
    def is_staying(self) -> bool:
        """Whether it counts among the workers of its variant."""
        return self.state not in ("leaving", "ended") and not self._retired.is_set()

    def _is_alive(self) -> bool:
        """Whether its process lives. While nobody can tell (too many open files), it is left alone."""
        try:
            return self.folder.is_alive()
        except OSError as error:
            _log.warning("worker %s: nobody can tell whether it lives: %s", self.placement.run_id, error)
            return True

    def _enter(self, state: State) -> None:
        self.state = state
        self._changed()

    async def _run(self) -> None:
        try:
            kind, detail = await self._live()
        except _RetiredError:
            kind, detail = "retired", ""
        except OrderError as error:
            kind, detail = "refused", str(error)
        except ContainerEndedError:
            kind, detail = "exited", ""
        except UnhealthyError as error:
            kind, detail = "unhealthy", str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours (disk full, say): the worker is replaced
            _log.exception("worker %s failed inside Wildsage", self.placement.run_id)
            kind, detail = "lost", f"{type(error).__name__}: {error}"
        self._enter("leaving")
        while self.ending is None:
            try:
                await self._leave(drain=kind == "retired")
                self.ending = self._describe(kind, detail)
            except (OSError, sqlite3.Error):
                # It must be seen out all the same, or its process outlives the endpoint.
                _log.exception("worker %s: its end could not be read; trying again", self.placement.run_id)
                await asyncio.sleep(_RETRY_SECONDS)
        self._container.close()
        self._enter("ended")

    async def _live(self) -> tuple[EndKind, str]:
        if self._get_order is not None:
            order = await self._unless_retired(self._get_order(self.placement))
            await asyncio.to_thread(_launch, self.folder, order)
        await self._unless_retired(self._start_up())
        self._was_ready = True
        self._enter("ready")
        return await self._watch()

    async def _unless_retired(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that takes long, and drop it when the worker is to leave."""
        task = asyncio.create_task(work)
        retired = asyncio.create_task(self._retired.wait())
        try:
            await asyncio.wait({task, retired}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _RetiredError
            return task.result()
        finally:
            task.cancel()
            retired.cancel()
            await asyncio.gather(task, retired, return_exceptions=True)

    async def _start_up(self) -> None:
        try:
            async with asyncio.timeout(self._timing.download):
                while not any(event.kind == "launched" for event in self.folder.events()):
                    if not self._is_alive():
                        raise ContainerEndedError
                    await asyncio.sleep(self._timing.pings.first_interval)
        except TimeoutError:
            raise UnhealthyError(
                f"the model data was not there within {self._timing.download:g} s"
                " (ModelDataDownloadTimeoutInSeconds)"
            ) from None
        await self._container.until_healthy(self._timing.startup)

    async def _watch(self) -> tuple[EndKind, str]:
        """Look after a ready worker until it leaves."""
        failures = 0
        now = self._clock.monotonic()
        health_due, scan_due = now + self._timing.health, now
        while not self._retired.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.watch):
                    await self._poked.wait()
            self._poked.clear()
            if not self._is_alive():
                return "exited", ""
            now = self._clock.monotonic()
            if self.state == "doubted":
                if not await self._recovers():
                    return "hung", f"it did not answer /ping within {self._timing.pings.timeout:g} s"
            elif now >= health_due and self.outstanding == 0:
                # A busy container may be too busy for a ping; then its invocations tell whether it lives.
                failures = 0 if await self._container.ping() else failures + 1
                health_due = self._clock.monotonic() + self._timing.health
                if failures >= _UNHEALTHY_AFTER:
                    return "hung", f"it failed {failures} health checks one after another"
            if now >= scan_due:
                await self._scan_log(self.placement)
                scan_due = now + _LOG_SCAN_SECONDS
        return "retired", ""

    async def _recovers(self) -> bool:
        """Ask a doubted worker for its health, for as long as one ping may take."""
        deadline = self._clock.monotonic() + self._timing.pings.timeout
        while not await self._container.ping():
            if self._clock.monotonic() >= deadline or not self._is_alive():
                # A dead process is found by the caller's next look.
                return not self._is_alive()
            await asyncio.sleep(self._timing.pings.first_interval)
        if self.state == "doubted":
            self._enter("ready")
        return True

    async def _leave(self, *, drain: bool) -> None:
        """See the process out."""
        deadline = self._clock.monotonic() + (self._timing.drain if drain else 0.0)
        is_asked = False
        while self._is_alive():
            if not is_asked and (self.outstanding == 0 or self._clock.monotonic() >= deadline):
                with contextlib.suppress(OSError):  # disk full: ask again
                    await asyncio.to_thread(self.folder.request_stop)
                    is_asked = True
            await asyncio.sleep(_END_POLL_SECONDS)
        await self._scan_log(self.placement)

    def _describe(self, kind: EndKind, detail: str) -> Ending:
        if kind == "exited":
            kind, detail = _read_ending(self.folder.exit_record())
        return Ending(kind, self._was_ready, detail)


class _RetiredError(Exception):
    """The worker is to leave before it was ready."""


def _launch(folder: RunFolder, order: Order) -> None:
    folder.write_job(order.job, order.token)
    folder.launch()


def _read_ending(record: ExitRecord | None) -> tuple[EndKind, str]:
    """Say why a container ended by itself."""
    if record is None:
        return "lost", "the process that carried the container is gone"
    if record.outcome in ("platform_error", "disk_full"):
        return "lost", record.message
    if record.outcome == "input_error":
        return "refused", record.message
    said = (record.failure or "\n".join(record.log_tail[-_SHOWN_LOG_LINES:]))[-_SHOWN_CHARACTERS:]
    ended = f"the container ended with exit code {record.exit_code}"
    if record.message:
        ended += f" ({record.message})"
    return "exited", f"{ended}. Its last words: {said}" if said else f"{ended} and logged nothing"
