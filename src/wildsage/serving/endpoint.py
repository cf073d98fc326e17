"""One endpoint: has the workers that its deployment wants, and moves its status.

A task reads what is wanted from the store, compares it with the workers there are, and does the next step;
everything that happens to a worker wakes it. Each step is one transaction or may be repeated, so a server
that dies in between is followed by one that goes on.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace

from wildsage.serving.deployments import Deployment, Deployments
from wildsage.serving.description import failure_reason, variant_summaries
from wildsage.serving.fleet import Fleet, Rooms
from wildsage.serving.router import EndpointRoute, RouteKey, Router
from wildsage.serving.worker import Ending
from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Resource, Resources
from wildsage.store.run_records import RunRecords
from wildsage.store.tags import Tags

_START_ATTEMPTS = 2
_CRASH_LOOP = 5
_RETRY_SECONDS = 1.0
_SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})

_log = logging.getLogger(__name__)


class LiveEndpoint:
    """Carries one endpoint from its creation to its deletion.

    Parameters
    ----------
    on_gone
        Called when the endpoint was deleted and nothing is left of it.
    """

    def __init__(self, key: Key, rooms: Rooms, router: Router, on_gone: Callable[[], None]) -> None:
        self._key = key
        self._rooms = rooms
        self._router = router
        self._on_gone = on_gone
        self._route_key = RouteKey(key.account, key.region, key.name)
        self._route: EndpointRoute | None = None
        self._resources = Resources(rooms.database)
        self._deployments = Deployments(rooms.database)
        self._fleet = Fleet(key, rooms, self._worker_changed)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._was_stepped = False

    def start(self) -> None:
        """Begin to carry the endpoint, in a task."""
        self._fleet.adopt(self._deployments.of(self._key))
        self._task = asyncio.create_task(self._run(), name=f"endpoint-{self._key.name}")

    def wake(self) -> None:
        """Say that something may be different in the store."""
        self._woken.set()

    @property
    def is_settled(self) -> bool:
        """Whether it was looked at, and answers if it is meant to."""
        if self._route is None:
            return self._was_stepped
        return any(target.ready for variant in self._route.variants for target in variant.targets)

    def worker_states(self) -> list[str]:
        """Return the state of each worker. Safe in any thread."""
        return self._fleet.worker_states()

    async def close(self) -> None:
        """Let go of the endpoint. Its workers live on, and answer again under the next server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._fleet.close()
        self._withdraw()

    def _worker_changed(self) -> None:
        self._woken.set()
        self._router.announce()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            pause = await self._step_guarded()
            self._was_stepped = True
            if pause is not None and pause < 0:
                return
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _step_guarded(self) -> float | None:
        """Do a step; return the seconds after which the next is due, None: when woken, negative: never."""
        try:
            if await self._step():
                self._on_gone()
                return -1
        except sqlite3.Error:
            # The store cannot be written now (disk full): nothing was lost, so try again.
            _log.exception("endpoint %s: the store refused a write; trying again", self._key.name)
            return _RETRY_SECONDS
        except Exception:  # noqa: BLE001 - one endpoint must not end the others, nor stop to be carried
            _log.exception("endpoint %s: a step failed; trying again", self._key.name)
            return _RETRY_SECONDS
        return self._fleet.due_in()

    async def _step(self) -> bool:
        """Do what is to be done now. True: the endpoint is gone."""
        await self._fleet.collect()
        resource = self._resources.get(self._key)
        deployments = self._deployments.of(self._key)
        if resource is None or resource.status == "Deleting":
            return await self._delete()
        if resource.status == "Failed":
            self._withdraw()
            self._fleet.retire_all()
            return False
        self._fleet.retire_all(but=[deployment.generation for deployment in deployments])
        for deployment in deployments:
            await self._fleet.converge(deployment)
        if resource.status in _SERVING:
            self._publish(deployments[0])
        await self._move_on(resource, deployments[-1], deployments[:-1])
        return False

    async def _move_on(self, resource: Resource, target: Deployment, older: list[Deployment]) -> None:
        """Take the step of the state machine that the workers have earned, if any."""
        running = sum(self._fleet.running(target).values())
        if resource.status in ("Creating", "Updating", "SystemUpdating"):
            failed = self._fleet.hopeless(target) or self._fleet.failure(target, _START_ATTEMPTS)
            if self._fleet.is_complete(target):
                await self._enter_service(resource, target, older)
            elif failed is not None:
                variant, ending = failed
                reason = self._reason(variant, ending)
                if older or running:
                    await self._roll_back(resource, target, older, reason)
                else:
                    await self._fail(resource, reason)
        elif resource.status == "RollingBack":
            await self._move(resource, "InService", target, reason=resource.body.get("FailureReason"))
        elif resource.status == "InService" and not running:
            failed = self._fleet.failure(target, _CRASH_LOOP)
            if failed is not None:
                await self._fail(resource, self._reason(*failed))

    async def _enter_service(self, resource: Resource, target: Deployment, older: list[Deployment]) -> None:
        """All workers are ready: the new deployment takes over, the older ones go."""
        # First: whoever reads InService may invoke at once.
        self._publish(target)

        def store(transaction: Transaction) -> None:
            for deployment in older:
                Deployments.remove(transaction, deployment)

        if await self._move(resource, "InService", target, also=store):
            self._fleet.retire_all(but=[target.generation])

    async def _roll_back(
        self, resource: Resource, target: Deployment, older: list[Deployment], reason: str
    ) -> None:
        """An update did not come up: stay with what serves."""
        running = self._fleet.running(target)

        def store(transaction: Transaction) -> None:
            if older:
                Deployments.remove(transaction, target)
            else:
                # More instances of the same deployment did not come up: keep those that did.
                kept = [replace(plan, count=max(1, running[plan.name])) for plan in target.variants]
                Deployments.put(transaction, target.with_variants(kept))

        await self._move(resource, "RollingBack", target, reason=reason, also=store)
        self._woken.set()

    def _reason(self, variant: str, ending: Ending) -> str:
        return failure_reason(self._key.name, variant, ending.kind, ending.detail)

    async def _fail(self, resource: Resource, reason: str) -> None:
        target = self._deployments.of(self._key)[-1]
        if await self._move(resource, "Failed", target, reason=reason):
            self._withdraw()
            self._fleet.retire_all()

    async def _move(
        self,
        resource: Resource,
        to: str,
        target: Deployment,
        *,
        reason: str | None = None,
        also: Callable[[Transaction], None] = lambda _transaction: None,
    ) -> bool:
        """Change the status, unless somebody else wants something else meanwhile."""
        running = self._fleet.running(target)
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> bool:
            current = Resources.fetch(transaction, self._key)
            newest = Deployments.fetch(transaction, self._key)[-1:]
            if current is None or current.status != resource.status or newest != [target]:
                return False
            body = _settled(current.body, reason)
            if to != "RollingBack":
                body["EndpointConfigName"] = target.config_name
                body["ProductionVariants"] = variant_summaries(target, running, at)
            Resources.transition(transaction, self._key, to=to, at=at, body=body)
            also(transaction)
            return True

        moved = await self._rooms.database.write(store)
        if not moved:
            self._woken.set()
        return moved

    async def _delete(self) -> bool:
        self._withdraw()
        self._fleet.retire_all()
        if not self._fleet.is_empty:
            return False
        at = self._rooms.clock.now()

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, self._key)
            if current is None or current.status != "Deleting":
                return
            Tags.remove_all(transaction, current.arn)
            Deployments.remove_all(transaction, self._key)
            RunRecords.forget(transaction, self._key)
            Resources.delete(transaction, self._key, at=at)

        await self._rooms.database.write(store)
        return True

    def _publish(self, deployment: Deployment) -> None:
        route = self._fleet.route(deployment)
        if route != self._route:
            self._route = route
            self._router.publish(self._route_key, route)

    def _withdraw(self) -> None:
        if self._route is not None:
            self._route = None
            self._router.withdraw(self._route_key)


def _settled(body: Body, reason: str | None) -> Body:
    """Return the body after a deployment came to its end, well or not."""
    settled = {
        name: value
        for name, value in body.items()
        if name not in ("PendingDeploymentSummary", "FailureReason")
    }
    return settled if reason is None else {**settled, "FailureReason": reason}
