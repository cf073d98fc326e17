"""A connection of the main port: HTTP/1.1 off the wire, requests in order, responses back.

The parser is llhttp (httptools): messages with two readings (both lengths, folded lines, bare line ends) it refuses.
What it finds goes into the gateway's request at once, and a response that is in memory goes out in one write.

No client can hold a connection for nothing: heads are bounded, and slow senders are dropped. A client has so long
for the head of a request, and so large a head; while it sends a body, so many bytes must come in so long. Nobody is
hurried who waits for us: a body that is not read at the moment has no deadline, nor has one who waits for an answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, cast

import httptools

from wildsage.aws.body import MOST_BUFFERED, IncomingBody
from wildsage.aws.http import ClientDisconnectedError, Headers, HttpRequest, HttpResponse
from wildsage.aws.response_head import short_response
from wildsage.aws.response_writer import ResponseWriter

Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]
_Phase = Literal["head", "body", "answer", "idle"]

_LONGEST_USUAL_NAME = 64

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take, in seconds and bytes.

    Attributes
    ----------
    head_seconds
        For a whole head, from its first byte; and for the first byte of the first request.
    body_seconds, body_bytes
        Of a body that is waited for must come so much in so long, unless it ends.
    idle_seconds
        How long a connection is kept without a request.
    look_seconds
        How often all that is looked at.
    """

    head_seconds: float = 20.0
    head_bytes: int = 64 * 1024
    body_seconds: float = 30.0
    body_bytes: int = 4096
    idle_seconds: float = 75.0
    look_seconds: float = 5.0


class Crowd(Protocol):
    """All connections of a server."""

    def joined(self, connection: "Connection") -> None:
        """Take note of a new one."""
        ...

    def left(self, connection: "Connection") -> None:
        """Take note that one is closed."""
        ...


@dataclass(slots=True, eq=False)
class _Exchange:
    """A request and what is to be known to answer it."""

    request: HttpRequest
    body: IncomingBody
    keep_alive: bool
    may_chunk: bool
    waits: bool
    """Whether the client holds its body back until it is asked for it."""


class Connection(asyncio.Protocol):
    """Reads requests, has them answered one after another, writes the responses.

    Parameters
    ----------
    answer
        Answers a request. Only `ClientDisconnectedError` may come out of it.
    crowd
        Is told of this connection's beginning and end.
    """

    def __init__(
        self, answer: Answer, limits: Limits, crowd: "Crowd", loop: asyncio.AbstractEventLoop
    ) -> None:
        self._answer, self._limits, self._crowd, self._loop = answer, limits, crowd, loop
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._fields: list[tuple[str, str]] = []
        self._head = 0
        self._incoming: _Exchange | None = None
        """Whose message is being received."""
        self._current: _Exchange | None = None
        """What is being answered, by `task`."""
        self._waiting: deque[_Exchange] = deque()
        self._is_last = False
        self._fault: bytes | None = None
        self._reading = True
        self._phase: _Phase = "head"  # the first request is due
        self._since = loop.time()
        self._received = 0
        self._mark = 0
        self._due: asyncio.Future[None] | None = None
        """Waited for by the task that has nothing to answer."""
        self.task: asyncio.Task[None] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._writer = ResponseWriter(self._transport)
        self._peer = (transport.get_extra_info("peername") or ("",))[0]
        self._crowd.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """Tell whoever reads a body or writes a response."""
        self._crowd.left(self)
        for exchange in (self._current, self._incoming):
            if exchange is not None:
                exchange.body.lose()
        self._waiting.clear()
        self._writer.resume()
        if self._due is not None:
            self._due.set_result(None)  # nothing will be current any more: the task ends
            self._due = None
        del self._parser  # it refers to this connection as well

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self._received += len(data)
        if self._is_last:
            return  # whatever comes after the last request is none
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_last = True  # answered as what it also is: a request of HTTP/1.1
        except httptools.HttpParserError as error:
            if not self._is_last:
                self._break(400, f"The request is not HTTP/1.1 as it should be: {error}")
        else:
            if self._phase == "head" and self._received - self._mark > self._limits.head_bytes:
                self._break(431, f"The head of a request is {self._limits.head_bytes} bytes at most")

    def pause_writing(self) -> None:
        """Let the writer of a response wait."""
        self._writer.pause()

    def resume_writing(self) -> None:
        """Let it go on."""
        self._writer.resume()

    # httptools

    def on_message_begin(self) -> None:
        """Note when a head began."""
        self._enter("head")
        self._url = b""
        self._fields = []
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """Take in a piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header field, or a trailer, which nobody asks for."""
        if self._incoming is None:
            size = len(name)
            self._head += size + len(value)
            lower = _field_name(name) if size <= _LONGEST_USUAL_NAME else name.decode("latin-1").lower()
            self._fields.append((lower, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Have the request answered; its body may follow."""
        if len(self._url) + self._head > self._limits.head_bytes:
            raise ValueError(f"a head of {len(self._url) + self._head} bytes")  # the parser ends
        exchange = self._incoming = self._read_head()
        self._enter("body")
        if self._current is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)
            self._pause_reading()

    def on_body(self, data: bytes) -> None:
        """Hand over a piece of the body; read no further while too much of it is unread."""
        if self._incoming is not None:
            body = self._incoming.body
            body.feed(data)
            if body.buffered > MOST_BUFFERED:
                self._pause_reading()

    def on_message_complete(self) -> None:
        """Note that nothing more is due until there is an answer."""
        exchange, self._incoming = self._incoming, None
        if exchange is not None:
            exchange.body.end()
            self._is_last = self._is_last or not exchange.keep_alive
        self._enter("idle" if self._current is None else "answer")

    def _read_head(self) -> _Exchange:
        path, _, query = self._target().decode("ascii").partition("?")
        headers = Headers(self._fields, are_lower=True)
        length = headers.get("content-length")
        known = int(length) if length.isdecimal() else None if "transfer-encoding" in headers else 0
        is_old = self._parser.get_http_version() == "1.0"
        body = IncomingBody(self, known)
        method = self._parser.get_method().decode("ascii")
        request = HttpRequest(method, path, query, headers, body, peer=self._peer)
        return _Exchange(
            request,
            body,
            keep_alive=not is_old and self._parser.should_keep_alive() and not self._parser.should_upgrade(),
            may_chunk=not is_old,
            waits=not is_old and "100-continue" in headers.get("expect").lower(),
        )

    def _target(self) -> bytes:
        url = self._url
        if url.startswith(b"/") and b"#" not in url:
            return url
        parsed = httptools.parse_url(url)  # of an absolute one, only this part
        query = b"?" + parsed.query if parsed.query else b""
        return (parsed.path or b"/") + query

    # Reading

    def ask_for_body(self) -> None:
        """Send ``100 Continue`` to a client that waits for it."""
        exchange = self._current
        if exchange is not None and exchange.waits and not self._writer.begun:
            exchange.waits = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def resume_reading(self) -> None:
        """Read on, unless requests wait for their turn."""
        if not self._reading and not self._waiting and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()
            if self._phase == "body":
                self._enter("body")

    def _pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    # Answering

    def _start(self, exchange: _Exchange) -> None:
        self._current = exchange
        self._writer.begun = False
        if self.task is None:
            self.task = self._loop.create_task(self._respond_in_turn())
        elif self._due is not None:
            self._due.set_result(None)
            self._due = None

    async def _respond_in_turn(self) -> None:
        """Answer whatever is current, as long as the connection is there: a task for each request costs more."""
        while not self._transport.is_closing():
            if self._current is None:
                self._due = self._loop.create_future()
                await self._due
            if self._current is not None:
                await self._respond(self._current)

    async def _respond(self, exchange: _Exchange) -> None:
        request = exchange.request
        try:
            response = await self._answer(request)
            # A body that is still held back: bytes of a next request would be taken for it.
            held_back = exchange.waits and not exchange.body.complete
            may_keep = exchange.keep_alive and not held_back
            is_head = request.method == "HEAD"
            kept = await self._writer.write(
                response, bodiless=is_head, keep_alive=may_keep, may_chunk=exchange.may_chunk
            )
            exchange.keep_alive = exchange.keep_alive and kept
        except ClientDisconnectedError as error:
            _logger.info("%s %s: %s", request.method, request.path, error)
            self._transport.close()
        except Exception:
            _logger.exception("%s %s: the response broke", request.method, request.path)
            if not self._writer.begun and not self._transport.is_closing():
                self._transport.write(short_response(500, "Internal error: see the server's log"))
            self._transport.close()
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        else:
            self._finish(exchange)

    def _finish(self, exchange: _Exchange) -> None:
        self._current = None
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._transport.close()
        elif self._waiting:
            following = self._waiting.popleft()
            self._start(following)
            if following.body.buffered <= MOST_BUFFERED:
                self.resume_reading()
        elif self._fault is not None:
            self._end(self._fault)
        else:
            exchange.body.drop()
            if self._phase == "answer":
                self._enter("idle")
            elif self._phase == "head":
                self._since = self._loop.time()
            self.resume_reading()

    # Ending

    def stop(self) -> None:
        """Answer what was begun, then close."""
        self._is_last = self._is_last or self._incoming is None
        if self._current is None:
            self._transport.close()
            return
        self._waiting.clear()
        self._current.keep_alive = False

    def abort(self) -> None:
        """Close at once, and give up what is being answered."""
        if self.task is not None:
            self.task.cancel()
        self._transport.abort()

    def look(self) -> None:
        """Refuse a client that takes too long."""
        limits, now = self._limits, self._loop.time()
        waited = now - self._since
        if self._phase == "idle" and waited > limits.idle_seconds:
            self._transport.close()
        elif self._phase == "head" and self._current is None and waited > limits.head_seconds:
            self._break(408, "")
        elif self._phase == "body" and waited > limits.body_seconds:
            if not self._reading or self._received - self._mark >= limits.body_bytes:
                self._enter("body")
            else:
                self._break(408, "")

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since = self._loop.time()
        self._mark = self._received

    def _break(self, status: int, text: str) -> None:
        """Read no more, and say why, after the answers to the requests that were whole."""
        self._is_last = True
        self._fault = short_response(status, text)
        broken, self._incoming = self._incoming, None
        if broken is not None and broken in self._waiting:
            self._waiting.remove(broken)
        if self._current is None:
            self._end(self._fault if broken is None else b"")  # it has its answer already
        elif self._current is broken:
            self._end(b"" if self._writer.begun else self._fault)

    def _end(self, last_words: bytes) -> None:
        if not self._transport.is_closing():
            if last_words:
                self._transport.write(last_words)
            self._transport.close()


@lru_cache(maxsize=512)
def _field_name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()
