"""Which worker answers an invocation: an in-memory snapshot of the routes, and nothing that is true.

The snapshot is replaced as a whole whenever an endpoint's workers change, so that it could be sent to a
router process of its own. The hot path reads one dictionary and counts.
"""

import asyncio
import random
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wildsage.hosting.client import Reply

_LARGEST_BACKLOG = 256
_MOST_WAITING = 256


class RouteKey(NamedTuple):
    """Which endpoint."""

    account: str
    region: str
    endpoint: str


class Target(Protocol):
    """A worker as the router sees it."""

    @property
    def ready(self) -> bool:
        """Whether it may get an invocation now."""
        ...

    @property
    def outstanding(self) -> int:
        """Invocations it has not answered yet."""
        ...

    @property
    def log_stream(self) -> str:
        """Name of its log stream."""
        ...

    def invoke(self, body: bytes, headers: Iterable[tuple[str, str]]) -> Awaitable[Reply]:
        """Send an invocation. Raises `wildsage.hosting.client.CallError`."""
        ...

    def doubt(self) -> None:
        """Say that a call failed: it is not ready until it has answered a ping."""
        ...


@dataclass(frozen=True, slots=True)
class VariantRoute:
    """The workers of one production variant and its share of the traffic."""

    name: str
    weight: float
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class EndpointRoute:
    """The variants that serve."""

    variants: tuple[VariantRoute, ...]


class EndpointNotFoundError(Exception):
    """No such endpoint serves."""


class VariantNotFoundError(Exception):
    """The endpoint has no such variant. Carries the names it has."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class NoCapacityError(Exception):
    """No worker could take the invocation in time; it was sent to none."""


class Router:
    """The routes of all accounts and regions. For one event loop.

    Parameters
    ----------
    patience
        Seconds for which an invocation waits for a worker where none is ready: as long as a replacement takes.
    """

    def __init__(self, *, patience: float = 10.0) -> None:
        self._routes: Mapping[RouteKey, EndpointRoute] = {}
        self._patience = patience
        self._changed = asyncio.Event()
        self._waiting = 0
        self._random = random.Random()  # noqa: S311 - spreads traffic, guards nothing
        self.version = 0

    def publish(self, key: RouteKey, route: EndpointRoute) -> None:
        """Replace the route of an endpoint."""
        self._routes = {**self._routes, key: route}
        self.announce()

    def withdraw(self, key: RouteKey) -> None:
        """Remove the route of an endpoint: it is unknown from now on."""
        self._routes = {known: route for known, route in self._routes.items() if known != key}
        self.announce()

    @property
    def routes(self) -> Mapping[RouteKey, EndpointRoute]:
        """What is served now."""
        return self._routes

    def announce(self) -> None:
        """Wake the invocations that wait for a worker: a route or the readiness of a worker changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def choose(self, key: RouteKey, variant: str | None = None) -> tuple[str, Target]:
        """Return a variant's name and the worker of it that is least busy.

        Raises
        ------
        EndpointNotFoundError, VariantNotFoundError
            If there is no such route.
        NoCapacityError
            If no worker is ready in time, or all are as busy as may be.
        """
        found = self._try_choose(key, variant)
        if found is not None:
            return found
        if self._waiting >= _MOST_WAITING:
            raise NoCapacityError(f"{_MOST_WAITING} invocations are waiting for a worker already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                while found is None:
                    await self._changed.wait()
                    found = self._try_choose(key, variant)
        except TimeoutError:
            raise NoCapacityError(f"no worker became ready within {self._patience:g} s") from None
        finally:
            self._waiting -= 1
        return found

    def _try_choose(self, key: RouteKey, variant: str | None) -> tuple[str, Target] | None:
        route = self._routes.get(key)
        if route is None:
            raise EndpointNotFoundError(key.endpoint)
        chosen = self._variant(route, variant)
        ready = [target for target in chosen.targets if target.ready]
        if not ready:
            return None
        target = min(ready, key=_outstanding)
        if target.outstanding >= _LARGEST_BACKLOG:
            raise NoCapacityError(f"every worker has {_LARGEST_BACKLOG} invocations to answer")
        return chosen.name, target

    def _variant(self, route: EndpointRoute, name: str | None) -> VariantRoute:
        if name is None:
            if len(route.variants) == 1:
                return route.variants[0]
            weights = [variant.weight for variant in route.variants]
            return self._random.choices(route.variants, weights if any(weights) else None)[0]
        for variant in route.variants:
            if variant.name == name:
                return variant
        raise VariantNotFoundError(tuple(variant.name for variant in route.variants))


def _outstanding(target: Target) -> int:
    return target.outstanding
