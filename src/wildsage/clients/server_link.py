"""The way to the Wildsage server, which may be away for a moment."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable

from wildsage.clients.discovery import ServerInfo
from wildsage.clients.streams import open_stream
from wildsage.core.clock import Clock

PATIENCE_SECONDS = 15.0
_BETWEEN_ATTEMPTS_SECONDS = 0.1


class ServerAwayError(Exception):
    """The server did not come back in time. The text says where it was looked for and how to start it."""


class ServerLink:
    """Opens connections to the server of one data directory.

    The address is looked up for every connection, because a server that returns may have another one.
    The patience runs from the first connection that failed, not from each: where the server stays away,
    a client that repeats a request hears so at once, instead of waiting as often as it repeats.

    Parameters
    ----------
    find
        Returns what the server says of itself, None where it says nothing.
    start_command
        What the user has to type to bring the server back.
    clock
        Source of the patience.
    patience
        Seconds to wait for the server's return.
    """

    def __init__(
        self,
        find: Callable[[], ServerInfo | None],
        start_command: str,
        clock: Clock,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._find = find
        self._start_command = start_command
        self._clock = clock
        self._away_since: float | None = None
        self.patience = patience

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """Open a connection, waiting for the server's return where it is away.

        Raises
        ------
        ServerAwayError
            If it stays away for longer than the patience.
        """
        while True:
            info = self._find()
            problem = "nothing is known of one"
            if info is not None:
                try:
                    connection = await open_stream(*info.address)
                except OSError as error:
                    problem = f"{info.url} does not answer ({error.strerror or error})"
                else:
                    self._away_since = None
                    return connection
            now = self._clock.monotonic()
            if self._away_since is None:
                self._away_since = now
            if now - self._away_since >= self.patience:
                raise ServerAwayError(
                    f"No Wildsage server is running: {problem}, and none came within"
                    f" {self.patience:.0f} s. Start it with: {self._start_command}"
                )
            await asyncio.sleep(_BETWEEN_ATTEMPTS_SECONDS)
