"""The HTTP server of the main port: who is connected, who takes too long, and how it ends."""

import asyncio
import contextlib
import socket
from functools import partial

from wildsage.aws.connection import Answer, Connection, Limits

_BACKLOG = 2048


class Server:
    """Serves one listening socket. For one event loop.

    Parameters
    ----------
    answer
        Answers a request; see `wildsage.aws.connection.Connection`.
    """

    def __init__(self, answer: Answer, limits: Limits | None = None) -> None:
        self._answer = answer
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._listening: asyncio.Server | None = None
        self._look: asyncio.TimerHandle | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer. A client that came before waits in the socket's backlog."""
        loop = asyncio.get_running_loop()
        make = partial(Connection, self._answer, self._limits, self, loop)
        self._listening = await loop.create_server(make, sock=listener, backlog=_BACKLOG)
        self._look_soon()

    async def stop(self, grace: float) -> None:
        """Accept nothing more, and answer what was begun within `grace` seconds. What takes longer is cut off."""
        if self._listening is None:
            return
        self._listening.close()
        if self._look is not None:
            self._look.cancel()
        for connection in tuple(self._connections):
            connection.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._connections:
                    self._emptied.clear()
                    await self._emptied.wait()
        late = {connection.task for connection in self._connections if connection.task is not None}
        self.hurry()
        await asyncio.gather(*late, return_exceptions=True)

    def hurry(self) -> None:
        """Cut off what `stop` waits for."""
        for connection in tuple(self._connections):
            connection.abort()

    # Crowd

    def joined(self, connection: Connection) -> None:
        """Take note of a new connection."""
        self._connections.add(connection)

    def left(self, connection: Connection) -> None:
        """Take note that a connection is closed."""
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()

    def _look_soon(self) -> None:
        self._look = asyncio.get_running_loop().call_later(self._limits.look_seconds, self._look_at_all)

    def _look_at_all(self) -> None:
        for connection in tuple(self._connections):
            connection.look()
        self._look_soon()
