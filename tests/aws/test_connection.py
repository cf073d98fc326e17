"""Slow, idle and ambiguous clients of the main port: dropped by their deadline, others unharmed."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from tests.live import serving

from wildsage.aws.connection import Limits
from wildsage.aws.http import HttpResponse

BOUND_SECONDS = 10.0
HASTY = Limits(head_seconds=0.3, body_seconds=0.3, look_seconds=0.05)


class Served:
    """An application that counts what reaches it."""

    def __init__(self):
        self.seen = []
        self.gate = threading.Event()

    async def __call__(self, request):
        self.seen.append(request.path)
        body = await request.body.read(1 << 30)
        if request.path == "/slow":
            while not self.gate.is_set():
                await asyncio.sleep(0.01)
        return HttpResponse(200, [], body)


@pytest.fixture(params=[HASTY, Limits()], ids=["hasty", "patient"])
def served(request):
    yield from serve(request.param)


@pytest.fixture
def hasty():
    yield from serve(HASTY)


def serve(limits):
    application = Served()
    with serving(application, limits) as application.address:
        yield application
        application.gate.set()


def connect(served):
    connection = socket.create_connection(served.address, timeout=BOUND_SECONDS)
    connection.settimeout(BOUND_SECONDS)
    return contextlib.closing(connection)


def rest(connection):
    """What comes until the connection is closed."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            parts.append(chunk)
    return b"".join(parts)


def test_a_head_that_does_not_end_is_dropped_by_its_deadline(hasty):
    with connect(hasty) as connection:
        begun = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not answer:  # a line now and then: the deadline is for the whole head
                connection.sendall(b"A: b\r\n")
                connection.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun < 5
    assert hasty.seen == []


def test_a_connection_that_says_nothing_is_dropped(hasty):
    with connect(hasty) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_dropped(hasty):
    with connect(hasty) as connection:
        connection.sendall(b"PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not answer:
                connection.sendall(b"x")
                connection.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_who_waits_for_the_answer_is_not_dropped(hasty):
    with connect(hasty) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.settimeout(4 * HASTY.head_seconds)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        hasty.gate.set()
        connection.settimeout(BOUND_SECONDS)
        assert rest(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_in_time_arrives_however_long_it_takes(hasty):
    with connect(hasty) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 81920\r\n\r\n")
        begun = time.monotonic()
        for number in range(20):
            while time.monotonic() < begun + 0.05 * number:
                threading.Event().wait(0.01)
            connection.sendall(bytes(4096))
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer.partition(b"\r\n\r\n")[2]) == 81_920


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "message",
    [
        HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + HIDDEN,
        HEAD + b"Content-Length: 0\r\nContent-Length: 6\r\n\r\n" + HIDDEN,
        HEAD + b"Content-Length: +6\r\n\r\nabcdef" + HIDDEN,
        HEAD + b"Content-Length: 6, 0\r\n\r\nabcdef" + HIDDEN,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n" + HIDDEN,
        HEAD + b"A: b\r\n folded: Content-Length: 6\r\n\r\n" + HIDDEN,
        b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + HIDDEN,
        HEAD + b"A: b\0c\r\n\r\n" + HIDDEN,
        b"GET / HTTP/9.9\r\n\r\n" + HIDDEN,
    ],
    ids=[
        "both lengths", "both, the other way", "two lengths", "signed length", "list of lengths", "unknown coding",
        "space before the colon", "hexadecimal prefix", "folded line", "bare line ends", "NUL", "version",
    ],
)  # fmt: skip
def test_a_message_with_two_readings_hides_no_request(served, message):
    with connect(served) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        answer = rest(connection)
    assert b"HTTP/1.1 200 " not in answer
    assert "/hidden" not in served.seen


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_huge_head_is_refused(served, pieces):
    with connect(served) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        for _ in range(pieces):
            connection.sendall(b"x" * (4_000_000 // pieces))
        connection.sendall(b"\r\n\r\n")
        answer = rest(connection)
        assert not answer or answer.split(b" ", 2)[1] in (b"400", b"431")
    assert served.seen == []


def test_500_idle_connections_and_slow_ones_do_not_slow_down_others(served):
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as crowd:
        for number in range(500):
            other = crowd.enter_context(connect(served))
            if number % 5 == 0:
                other.sendall(b"GET / HTTP/1.1\r\nHost:")
        took = []
        with connect(served) as connection:
            for _ in range(200):
                begun = time.monotonic()
                connection.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += connection.recv(65_536)
                took.append(time.monotonic() - begun)
                assert answer.startswith(b"HTTP/1.1 200 ")
    assert sorted(took)[-3] < 0.5
