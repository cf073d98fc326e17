"""A small HTTP/1.1 client for one model container: persistent connections, whole bodies.

It knows nothing of proxies, redirects or TLS, because there is none between Wildsage and its workers.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import httptools

_LARGEST_IDLE_POOL = 64
_LARGEST_COPY = 65_536
_LARGEST_HEAD = 65_536
_LOOK_SECONDS = 0.1


class CallError(Exception):
    """A call to a container that got no whole response.

    CallError
    ├── NotConnectedError    nothing was sent: nobody listens there (yet, or any more)
    ├── ConnectionLostError  the container closed the connection before it had answered
    ├── CallTimeoutError     the container did not answer in time
    └── BadReplyError        what came back was not HTTP, or more than the limit
    """


class NotConnectedError(CallError):
    """Nobody listens at the container's address. The request was not sent."""


class ConnectionLostError(CallError):
    """The container closed the connection before its response was whole."""


class CallTimeoutError(CallError):
    """The response was not whole in time."""


class BadReplyError(CallError):
    """The response broke the protocol or was larger than the limit."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a container listens: a Unix socket where it makes one, else a port of this machine.

    Attributes
    ----------
    socket
        Asked for first: a container that understands ``WILDSAGE_BIND_SOCKET`` makes it.
    port
        ``SAGEMAKER_BIND_TO_PORT`` of a container that does not. None: the socket is the only way.
    host
        The loopback address of `port`.
    """

    socket: Path
    port: int | None = None
    host: str = "127.0.0.1"


class ContainerClient:
    """Calls one container. Belongs to one event loop.

    Parameters
    ----------
    largest_reply
        Bytes of body beyond which a response is refused.
    """

    def __init__(self, address: Address, *, largest_reply: int) -> None:
        self._address = address
        self._largest_reply = largest_reply
        self._idle: list[_Connection] = []
        self._busy: dict[_Connection, float] = {}
        """When a response has to be whole, by the loop's time."""
        self._look: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections. Calls under way end by themselves."""
        self._closed = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 - part of the contract of a call
        """Send a GET."""
        return await self._call(_head("GET", path, ()), b"", timeout)

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Iterable[tuple[str, str]],
        *,
        timeout: float,  # noqa: ASYNC109 - part of the contract of a call
    ) -> Reply:
        """Send a POST with a body of known length.

        Raises
        ------
        CallError
            One of its kinds. After a `NotConnectedError` alone it is certain that the container got nothing.
        """
        return await self._call(_head("POST", path, headers, len(body)), body, timeout)

    async def _call(self, head: bytes, body: bytes, timeout: float) -> Reply:  # noqa: ASYNC109
        deadline = asyncio.get_running_loop().time() + timeout
        idle = self._take_idle()
        try:
            if idle is None:
                return await self._exchange(await self._connect(deadline), head, body, deadline)
            try:
                return await self._exchange(idle, head, body, deadline)
            except ConnectionLostError:
                if idle.answering:
                    raise
            return await self._exchange_again(head, body, deadline)
        except TimeoutError:
            raise CallTimeoutError(f"no response within {timeout:g} s") from None

    async def _exchange_again(self, head: bytes, body: bytes, deadline: float) -> Reply:
        # A server may close an idle connection just as a request goes out on it. Not one byte came back:
        # try once more. Should nobody listen any more, the request itself may have ended the container,
        # so this counts as lost, not as never sent.
        try:
            connection = await self._connect(deadline)
        except NotConnectedError as error:
            raise ConnectionLostError(str(error)) from None
        return await self._exchange(connection, head, body, deadline)

    def _take_idle(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _exchange(self, connection: "_Connection", head: bytes, body: bytes, deadline: float) -> Reply:
        self._busy[connection] = deadline
        if self._look is None:
            self._look_at(deadline)
        try:
            reply = await connection.exchange(head, body)
        except BaseException:
            connection.abort()
            raise
        finally:
            del self._busy[connection]
        if connection.reusable and not self._closed and len(self._idle) < _LARGEST_IDLE_POOL:
            self._idle.append(connection)
        else:
            connection.abort()
        return reply

    def _look_at(self, deadline: float) -> None:
        """Look at all deadlines soon: a timer for each call would cost more than the rest of its time keeping."""
        loop = asyncio.get_running_loop()
        self._look = loop.call_at(min(deadline, loop.time() + _LOOK_SECONDS), self._look_at_all)

    def _look_at_all(self) -> None:
        self._look = None
        now = asyncio.get_running_loop().time()
        for connection, deadline in self._busy.items():
            if deadline <= now:
                connection.expire()
        if self._busy:
            self._look_at(min(self._busy.values()))

    async def _connect(self, deadline: float) -> "_Connection":
        async with asyncio.timeout_at(deadline):
            return await self._open()

    async def _open(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        address, new = self._address, partial(_Connection, self._largest_reply)
        try:
            if address.port is None or address.socket.exists():
                with _named(address.socket) as path:
                    _, connection = await loop.create_unix_connection(new, path)
            else:
                _, connection = await loop.create_connection(new, address.host, address.port)
        except OSError as error:
            raise NotConnectedError(f"nobody listens at {address}: {error}") from None
        return connection


@contextmanager
def _named(place: Path) -> Iterator[str]:
    """Name a socket by a descriptor of it.

    An address has room for 107 bytes only, and a container can put a link to the socket of another one in its
    own one's place.
    """
    descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _head(method: str, path: str, headers: Iterable[tuple[str, str]], length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self, largest_reply: int) -> None:
        self._largest_reply = largest_reply
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)  # of one response after another
        self._begin()
        self.closed = False
        self.reusable = False

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._received = 0
        self._headers_done = False
        self.answering = False

    def exchange(self, head: bytes, body: bytes) -> asyncio.Future[Reply]:
        """Send a request and return what its response will be."""
        if self._transport is None or self.closed:
            raise ConnectionLostError("the connection is closed")
        self._begin()
        self.reusable = False
        reply = self._reply = asyncio.get_running_loop().create_future()
        if len(body) <= _LARGEST_COPY:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return reply

    def expire(self) -> None:
        """Wait no longer: the response is a TimeoutError."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(TimeoutError())

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.answering = True
        if self._reply is None or self._reply.done():
            # Bytes that nobody asked for: the connection is out of step.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(BadReplyError(f"the response is not HTTP/1.1: {error}"))
        self._received += len(data)
        if not self._headers_done and self._received > _LARGEST_HEAD:
            self._fail(BadReplyError(f"the response's head is larger than {_LARGEST_HEAD} bytes"))
        elif self._received > _LARGEST_HEAD + 2 * self._largest_reply:
            # Nearly all of it is no body: trailers, the sizes of chunks.
            self._fail(BadReplyError(f"the response came in more than {2 * self._largest_reply} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._headers_done and "content-length" not in self._headers and not self._chunked:
            # Without a length the end of the connection is the end of the body.
            self._complete()
        else:
            self._fail(ConnectionLostError(f"the container closed the connection ({exc or 'end of stream'})"))

    # httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._headers_done = True

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._largest_reply:
            self._fail(BadReplyError(f"the response is larger than {self._largest_reply} bytes"))
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._headers_done:
            self.reusable = self._parser.should_keep_alive() and not self.closed
            self._complete()
        else:
            # An interim response (100 Continue): the real one follows.
            self._headers.clear()

    @property
    def _chunked(self) -> bool:
        return "chunked" in self._headers.get("transfer-encoding", "")

    def _complete(self) -> None:
        if self._reply is not None and not self._reply.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._reply.set_result(Reply(self._parser.get_status_code(), body, self._headers))

    def _fail(self, error: CallError) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        self.reusable = False
        if not self.closed:
            self.abort()
