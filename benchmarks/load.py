"""A raw HTTP client: whole requests as bytes, connections that are kept, one request at a time on each.

It does as little as a client can, so that what is measured is the server.
"""

import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.wire import Address, Request, connect

_READ = 262_144


@dataclass(frozen=True, slots=True)
class Load:
    """What came of many requests.

    Attributes
    ----------
    seconds
        From the first request to the last answer.
    latencies
        Of each request, in seconds, in the order of the answers.
    """

    seconds: float
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency that `share` of the requests stayed below, in milliseconds."""
        return 1000 * sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def send_all(address: Address, requests: Sequence[Request], connections: int) -> Load:
    """Send requests over some connections, each the next one as soon as it has its answer.

    Raises
    ------
    RuntimeError
        If an answer is an error.
    """
    waiting = deque(request.raw() for request in requests)
    latencies: list[float] = []
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(min(connections, len(waiting))):
            exchange = _Exchange(address)
            selector.register(exchange.socket, selectors.EVENT_READ, exchange)
            exchange.send(waiting.popleft())
        while selector.get_map():
            for key, _ in selector.select():
                exchange = key.data
                if not exchange.receive():
                    continue
                latencies.append(time.perf_counter() - exchange.sent_at)
                if not waiting:
                    selector.unregister(exchange.socket)
                    exchange.socket.close()
                    continue
                if exchange.closes:
                    selector.unregister(exchange.socket)
                    exchange.reconnect()
                    selector.register(exchange.socket, selectors.EVENT_READ, exchange)
                exchange.send(waiting.popleft())
    return Load(time.perf_counter() - began, tuple(latencies))


def send_endlessly(address: Address, request: Request) -> Iterator[float]:
    """Send one request again and again over one connection; yield the seconds that each took."""
    raw = request.raw()
    exchange = _Exchange(address)
    exchange.socket.setblocking(True)
    try:
        while True:
            exchange.send(raw)
            while not exchange.receive():
                pass
            yield time.perf_counter() - exchange.sent_at
    finally:
        exchange.socket.close()


class _Exchange:
    """One connection, and the answer that is on its way on it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.reconnect()

    def reconnect(self) -> None:
        self.socket = connect(self._address)
        self.closes = False

    def send(self, raw: bytes) -> None:
        self._answer = b""
        self._missing = -1
        self.sent_at = time.perf_counter()
        self.socket.sendall(raw)

    def receive(self) -> bool:
        """Take what has come. True: the answer is whole."""
        data = self.socket.recv(_READ)
        if not data:
            raise RuntimeError(f"the server closed the connection after {self._answer[:1000]!r}")
        self._answer = self._answer + data if self._answer else data
        if self._missing < 0 and not self._read_head():
            return False
        if len(self._answer) < self._missing:
            return False
        if not self._answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(self._answer[:2000].decode("utf-8", "replace"))
        return True

    def _read_head(self) -> bool:
        head, found, _ = self._answer.partition(b"\r\n\r\n")
        if not found:
            return False
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self._missing = len(head) + 4 + int(fields[b"content-length"])
        self.closes = fields.get(b"connection") == b"close"
        return True

    @property
    def body(self) -> bytes:
        return self._answer.partition(b"\r\n\r\n")[2]


def send_one(address: Address, request: Request) -> bytes:
    """Send one request and return the body of its answer."""
    exchange = _Exchange(address)
    exchange.send(request.raw())
    while not exchange.receive():
        pass
    exchange.socket.close()
    return exchange.body
