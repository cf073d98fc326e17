"""The body of a request as it arrives, and as fast as its reader takes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from wildsage.aws.http import ClientDisconnectedError
from wildsage.core.streams import ByteStream

MOST_BUFFERED = 256 * 1024
"""Bytes that may lie here before the connection is read no further."""


class Source(Protocol):
    """The connection that a body comes from."""

    def ask_for_body(self) -> None:
        """Tell the client to send it, if it waits for that."""
        ...

    def resume_reading(self) -> None:
        """Read on, if reading was paused."""
        ...


class IncomingBody(ByteStream):
    """Fed by the parser, read by a handler.

    Attributes
    ----------
    started
        Whether anybody has asked for it: ``100 Continue`` is sent only then.
    complete
        Whether its end has come.
    buffered
        Bytes that came and were not read yet.
    """

    def __init__(self, source: Source, length: int | None) -> None:
        super().__init__(None, length)
        self._source = source
        self._parts: list[bytes] = []
        self._change: asyncio.Future[None] | None = None
        self._lost = False
        self._dropped = False
        self.started = False
        self.complete = False
        self.buffered = 0

    # From the connection

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        if not self._dropped:
            self._parts.append(data)
            self.buffered += len(data)
            self._wake()

    def end(self) -> None:
        """Take in the end."""
        self.complete = True
        self._wake()

    def lose(self) -> None:
        """Take in that the rest will not come."""
        self._lost = not self.complete
        self._wake()

    def drop(self) -> None:
        """Keep nothing of what still comes: nobody reads it any more."""
        self._dropped = True
        self._parts.clear()
        self.buffered = 0

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    # To its reader

    async def read(self, limit: int) -> bytes:
        """Collect the whole body, without a wait where it is there already."""
        if not self.complete or self.started or self.buffered > limit:
            return await super().read(limit)
        self.started = True
        return self._take()

    async def _produce(self) -> AsyncIterator[bytes]:
        self.started = True
        if not self.complete and not self._parts:
            self._source.ask_for_body()
        while True:
            if self._parts:
                yield self._take()
            elif self.complete:
                return
            elif self._lost:
                raise ClientDisconnectedError("the client closed the connection while sending its request")
            else:
                self._change = asyncio.get_running_loop().create_future()
                await self._change

    def _take(self) -> bytes:
        parts, self._parts, self.buffered = self._parts, [], 0
        self._source.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)
