"""A connection of the main port that no client can hold for nothing: heads are bounded, slow senders are dropped.

A client has so long for the head of a request, and so large a head; while it sends a body, so many bytes must
come in so long. Nobody is hurried who waits for us: a body that is not read at the moment has no deadline.
Messages with two readings (both lengths, folded lines, bare line ends) the parser itself refuses.
"""

import asyncio
from typing import Any, ClassVar, Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_Phase = Literal["idle", "head", "body", "answer"]


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, looked at now and then: one timer for each, and no work for a request in time."""

    HEAD_SECONDS: ClassVar[float] = 20.0
    """For a whole head, from its first byte; and for the first byte of the first request."""

    BODY_SECONDS: ClassVar[float] = 30.0
    BODY_BYTES: ClassVar[int] = 4096
    """Of a body that is waited for must come within `BODY_SECONDS`, unless it ends."""

    HEAD_BYTES: ClassVar[int] = 64 * 1024
    LOOK_SECONDS: ClassVar[float] = 5.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._phase: _Phase = "head"  # the first request is due
        self._since = self.loop.time()
        self._received = 0
        self._mark = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to look."""
        super().connection_made(transport)
        self._look = self.loop.call_later(self.LOOK_SECONDS, self._look_after)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, unless the head becomes too large."""
        self._received += len(data)
        super().data_received(data)
        if self._phase == "head" and self._received - self._mark > self.HEAD_BYTES:
            self._refuse(431, "Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Note when a head began."""
        self._enter("head")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a body may come, unless the head that is whole now was too large."""
        head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if head > self.HEAD_BYTES:
            raise ValueError(f"a head of {head} bytes")  # the parser ends, and a 400 is sent
        self._enter("body")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that nothing more is due until there is an answer."""
        self._enter("answer")
        super().on_message_complete()

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        self._mark = self._received

    def _look_after(self) -> None:
        if self.transport.is_closing():
            return
        self._look = self.loop.call_later(self.LOOK_SECONDS, self._look_after)
        waited = self.loop.time() - self._since
        if self._phase == "head" and waited > self.HEAD_SECONDS:
            self._refuse(408, "Request Timeout")
        elif self._phase == "body" and waited > self.BODY_SECONDS:
            if self.flow.read_paused or self._received - self._mark >= self.BODY_BYTES:
                self._enter("body")
            else:
                self._refuse(408, "Request Timeout")

    def _refuse(self, status: int, reason: str) -> None:
        """Close the connection; say why, where no answer has begun."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            head = f"HTTP/1.1 {status} {reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()
