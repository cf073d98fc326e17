"""Writes responses, as fast as the client reads them."""

import asyncio
from collections.abc import AsyncIterator

from wildsage.aws.http import HttpResponse
from wildsage.aws.response_head import Framing, response_head
from wildsage.core.streams import ByteStream

_LARGEST_COPY = 64 * 1024
"""A body up to this size is copied behind its head."""


class ResponseWriter:
    """Writes one response after another into a transport.

    Attributes
    ----------
    begun
        Whether something of the present response was written.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._writable: asyncio.Future[None] | None = None
        self.begun = False

    def pause(self) -> None:
        """Write no more for now: the client does not keep up."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Go on."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    async def write(
        self, response: HttpResponse, *, bodiless: bool, keep_alive: bool, may_chunk: bool
    ) -> bool:
        """Write a response and return whether the connection may be kept; see `response_head`.

        Raises
        ------
        ValueError
            If a stream is not as long as was said, or a header field has no name.
        """
        while self._writable is not None:
            await self._writable
        body = response.body
        if self._transport.is_closing():
            if isinstance(body, ByteStream):
                await _close(aiter(body))
            return False
        head, framing = response_head(response, bodiless=bodiless, keep_alive=keep_alive, may_chunk=may_chunk)
        self.begun = True
        if isinstance(body, ByteStream):
            self._transport.write(head)
            await self._write_stream(aiter(body), framing)
        elif framing.bare or not body:
            self._transport.write(head)
        elif len(body) <= _LARGEST_COPY:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return framing.keeps_connection

    async def _write_stream(self, chunks: AsyncIterator[bytes], framing: Framing) -> None:
        written = 0
        try:
            if framing.bare:
                return
            async for chunk in chunks:
                if self._transport.is_closing():
                    return
                written += len(chunk)
                if framing.length is not None and written > framing.length:
                    raise ValueError(f"a body of {framing.length} bytes has {written} at least")
                if chunk:
                    self._write_chunk(chunk, chunked=framing.chunked)
                while self._writable is not None:
                    await self._writable
        finally:
            # Whatever ends the response: the producer lets go of its file now, not when it is collected.
            await _close(chunks)
        if framing.length is not None and written != framing.length:
            raise ValueError(f"a body of {framing.length} bytes ended after {written}")
        if framing.chunked:
            self._transport.write(b"0\r\n\r\n")

    def _write_chunk(self, chunk: bytes, *, chunked: bool) -> None:
        if chunked:
            self._transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))
        else:
            self._transport.write(chunk)


async def _close(chunks: AsyncIterator[bytes]) -> None:
    if hasattr(chunks, "aclose"):
        await chunks.aclose()
