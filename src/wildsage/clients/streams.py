"""Connections to other sides that may break off after they have said why."""

import asyncio
import ssl
from asyncio import IncompleteReadError, StreamReader, StreamReaderProtocol, StreamWriter
from typing import Any

STREAM_LIMIT = 256 * 1024


class LastWordsReader(StreamReader):
    """A reader that gives what arrived before its connection broke, and the break only after it.

    asyncio's own forgets it: where a server answers before it has read a request's body, and closes, sending
    the rest of the body breaks the connection, and the answer would be lost.
    """

    _broken: Exception | None = None

    def set_exception(self, exc: Exception) -> None:
        """Keep the break for later; until then it is an end."""
        self._broken = exc
        self.feed_eof()

    async def read(self, n: int = -1) -> bytes:
        """Read up to `n` bytes; at a break that is reached, raise it."""
        data = await super().read(n)
        if not data and n != 0:
            self._break()
        return data

    async def readexactly(self, n: int) -> bytes:
        """Read `n` bytes; where a break comes before, raise it."""
        try:
            return await super().readexactly(n)
        except IncompleteReadError:
            self._break()
            raise

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        """Read to the separator; where a break comes before, raise it."""
        try:
            return await super().readuntil(separator)
        except IncompleteReadError:
            self._break()
            raise

    def _break(self) -> None:
        if self._broken is not None:
            raise self._broken


async def open_stream(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> tuple[LastWordsReader, StreamWriter]:
    """Connect, as `asyncio.open_connection` does."""
    loop = asyncio.get_running_loop()
    reader = LastWordsReader(limit=STREAM_LIMIT, loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls)
    return reader, StreamWriter(transport, protocol, reader, loop)
