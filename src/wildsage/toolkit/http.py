"""A small HTTP/1.1 server for one container: one process, kept connections, bounded bodies.

The event loop parses and writes. Requests are answered by a plain function: on the loop's own thread where the
caller says that this is quick, else on a worker thread, so that health checks are answered meanwhile.
"""

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httptools

from wildsage.toolkit.logs import LOGGER

_DRAIN_SECONDS = 25.0
"""For requests in progress when the container is stopped; the platform kills it after 30."""
_MOST_QUEUED = 16
"""Pipelined requests of one connection; reading pauses beyond."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Server:
    """How to serve.

    Attributes
    ----------
    handler
        Answers every request; must not raise.
    largest_body
        Bytes; a larger request is refused before it is buffered.
    quick
        Tells which requests are answered on the loop's thread.
    threads
        Worker threads: 1 unless the handler may run in parallel with itself.
    """

    handler: Handler
    largest_body: int
    quick: Callable[[Request], bool]
    threads: int = 1

    def run(self, environment: Mapping[str, str]) -> None:
        """Listen as the environment says until SIGTERM, then finish what is in progress."""
        asyncio.run(self.serve(listener(environment)))

    async def serve(self, listening: socket.socket, ready: asyncio.Event | None = None) -> None:
        """Serve a bound socket until SIGTERM or cancellation; `ready` is set once connections are accepted."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        # Only a main thread can hear signals; elsewhere (tests) the task is cancelled.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(signal.SIGTERM, stop.set)
        connections: set[_Connection] = set()
        executor = ThreadPoolExecutor(self.threads, thread_name_prefix="predict")
        server = await loop.create_server(lambda: _Connection(self, executor, connections), sock=listening)
        if ready is not None:
            ready.set()
        try:
            await stop.wait()
        finally:
            server.close()
            await _drain(connections)
            executor.shutdown(wait=False, cancel_futures=True)


def listener(environment: Mapping[str, str]) -> socket.socket:
    """Bind the socket of a container: ``WILDSAGE_BIND_SOCKET``, else the port SageMaker names, else 8080."""
    path = environment.get("WILDSAGE_BIND_SOCKET")
    if path:
        Path(path).unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound.bind(path)
        return bound
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("0.0.0.0", int(environment.get("SAGEMAKER_BIND_TO_PORT") or 8080)))  # noqa: S104 - the contract
    return bound


async def _drain(connections: set["_Connection"]) -> None:
    for connection in list(connections):
        connection.finish()
    busy = [connection.closed for connection in connections]
    if busy:
        await asyncio.wait(busy, timeout=_DRAIN_SECONDS)


class _Connection(asyncio.Protocol):
    """One client: parses requests and answers them in their order."""

    def __init__(self, server: Server, executor: ThreadPoolExecutor, connections: set["_Connection"]) -> None:
        self._server = server
        self._executor = executor
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._finishing = False
        self._refused = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._queue.clear()
        self._connections.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def finish(self) -> None:
        """Close when nothing is in progress."""
        self._finishing = True
        if not self._busy and not self._queue:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(HTTPStatus.BAD_REQUEST, "no protocol to upgrade to")
        except httptools.HttpParserError as error:
            if not self._refused:
                self._refuse(HTTPStatus.BAD_REQUEST, f"not HTTP: {error}")

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        announced = self._headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._server.largest_body:
            self._refuse_size()
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._server.largest_body:
            self._refuse_size()
        if not self._refused:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        method = self._parser.get_method().decode("latin-1")
        path = self._url.partition(b"?")[0].decode("latin-1")
        request = Request(method, path, self._headers, b"".join(self._body))
        self._queue.append((request, self._parser.should_keep_alive()))
        if len(self._queue) >= _MOST_QUEUED:
            self._transport.pause_reading()
        if not self._busy:
            self._next()

    # Answering.

    def _next(self) -> None:
        while self._queue and not self._busy:
            if len(self._queue) == _MOST_QUEUED:
                self._transport.resume_reading()
            request, keep = self._queue.popleft()
            if self._server.quick(request):
                self._answer(self._server.handler(request), keep=keep)
            else:
                self._busy = True
                future = self._loop.run_in_executor(self._executor, self._server.handler, request)
                future.add_done_callback(partial(self._done, keep=keep))

    def _done(self, future: asyncio.Future[Response], *, keep: bool) -> None:
        self._busy = False
        if future.cancelled():
            self._transport.close()
            return
        self._answer(future.result(), keep=keep)
        self._next()

    def _answer(self, response: Response, *, keep: bool) -> None:
        keep = keep and not self._finishing
        if self._transport.is_closing():
            return
        self._transport.write(_encode(response, keep=keep))
        if not keep:
            self._queue.clear()
            self._transport.close()

    def _refuse_size(self) -> None:
        limit = self._server.largest_body
        self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._refused = True
        LOGGER.warning("request refused: %s", message)
        self._answer(Response(status, message.encode()), keep=False)


def _encode(response: Response, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {_phrase(response.status)}",
        f"content-type: {response.content_type}",
        f"content-length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if not keep:
        lines.append("connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
