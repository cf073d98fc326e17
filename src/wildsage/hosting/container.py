"""One model container that runs: is it ready, call it, count what it is busy with."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wildsage.hosting.client import CallError, ContainerClient, Reply

PING_PATH = "/ping"
INVOCATIONS_PATH = "/invocations"


class ContainerEndedError(Exception):
    """The container ended before it was healthy."""


class UnhealthyError(Exception):
    """The container did not answer ``GET /ping`` with 200 in time."""


@dataclass(frozen=True, slots=True)
class PingSchedule:
    """How a container is asked for its health. All in seconds.

    Attributes
    ----------
    timeout
        For one answer; SageMaker's is 2 s.
    first_interval, last_interval
        The first pings follow each other closely, so that a fast container is found fast; the pauses grow by
        a tenth to the last.
    """

    timeout: float = 2.0
    first_interval: float = 0.02
    last_interval: float = 0.5


class Container:
    """A started container behind the contract of ``/ping`` and ``/invocations``.

    Parameters
    ----------
    client
        Calls it; closed by `close`.
    is_alive
        Tells whether the container's process may still run. Cheap: it is asked before every ping.
    invocation_timeout
        Seconds for one invocation; SageMaker's is 60.
    """

    def __init__(
        self,
        client: ContainerClient,
        is_alive: Callable[[], bool],
        *,
        pings: PingSchedule,
        invocation_timeout: float,
    ) -> None:
        self._client = client
        self._is_alive = is_alive
        self._pings = pings
        self._invocation_timeout = invocation_timeout
        self.outstanding = 0
        """Invocations that have not been answered yet."""

    def close(self) -> None:
        """Let go of the connections. The container is not touched."""
        self._client.close()

    async def ping(self) -> bool:
        """Tell whether the container answers ``GET /ping`` with 200 in time."""
        try:
            reply = await self._client.get(PING_PATH, timeout=self._pings.timeout)
        except CallError:
            return False
        return reply.status == 200

    async def until_healthy(self, timeout: float) -> None:  # noqa: ASYNC109 - an expected end, with its own error
        """Ping until the first 200.

        Raises
        ------
        ContainerEndedError
            If the container ends before.
        UnhealthyError
            If it is not healthy after `timeout` seconds.
        """
        pause = self._pings.first_interval
        try:
            async with asyncio.timeout(timeout):
                while not await self.ping():
                    if not self._is_alive():
                        raise ContainerEndedError
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.1, self._pings.last_interval)
        except TimeoutError:
            raise UnhealthyError(f"GET {PING_PATH} was not answered with 200 within {timeout:g} s") from None

    async def invoke(self, body: bytes, headers: Iterable[tuple[str, str]]) -> Reply:
        """Send one invocation and return whatever the container answered.

        Raises
        ------
        wildsage.hosting.client.CallError
            If there was no whole response.
        """
        self.outstanding += 1
        try:
            return await self._client.post(INVOCATIONS_PATH, body, headers, timeout=self._invocation_timeout)
        finally:
            self.outstanding -= 1
