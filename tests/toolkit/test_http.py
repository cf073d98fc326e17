import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wildsage.toolkit.http import Request, Response, Server, listener


@contextmanager
def serving(handler, *, largest_body=1000, quick=lambda request: request.path == "/quick") -> Iterator[str]:
    """Run a server on a thread; yields its address."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def run():
        started = asyncio.Event()
        task = asyncio.create_task(Server(handler, largest_body, quick).serve(bound, started))
        await started.wait()
        ready.set()
        await stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield bound.getsockname()
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def echo(request: Request) -> Response:
    return Response(200, request.method.encode() + b" " + request.path.encode() + b" " + request.body)


def exchange(address, data: bytes, *, until: bytes | None = None) -> bytes:
    """Send bytes; read until the server closes, or until the text has come."""
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(data)
        received = b""
        while until is None or until not in received:
            part = client.recv(65536)
            if not part:
                break
            received += part
        return received


def test_requests_on_a_kept_connection_are_answered_in_order():
    first = b"POST /slow HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    second = b"GET /quick?x=1 HTTP/1.1\r\n\r\n"
    third = b"POST /slow HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nxy\r\n1\r\nz\r\n0\r\n\r\n"
    with serving(echo) as address:
        answer = exchange(address, first + second + third)
    bodies = [part.split(b"\r\n\r\n")[1] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"POST /slow abc", b"GET /quick ", b"POST /slow xyz"]
    assert answer.count(b"connection: close") == 1


def test_a_request_that_comes_in_drops_is_put_together():
    with serving(echo) as address, socket.create_connection(address, timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /slow HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi":
            client.sendall(bytes([byte]))
        received = b""
        while part := client.recv(1000):
            received += part
        assert received.endswith(b"POST /slow hi")


def test_health_is_answered_while_a_prediction_runs():
    release = threading.Event()

    def handler(request):
        if request.path == "/slow":
            assert release.wait(10)
        return Response(body=request.path.encode())

    with serving(handler) as address, socket.create_connection(address, timeout=10) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert b"/quick" in exchange(address, b"GET /quick HTTP/1.1\r\n\r\n", until=b"/quick")
        release.set()
        assert b"/slow" in client.recv(1000)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /slow HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST /slow HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"200\r\n" + b"x" * 512 + b"\r\n") * 2,
    ],
)
def test_a_body_over_the_limit_is_refused_before_it_is_buffered(data):
    with serving(echo) as address:
        answer = exchange(address, data)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body is larger than 1000 bytes" in answer
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"POST /slow HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /slow HTTP/1.1\r\nContent-Length: -3\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data):
    with serving(echo) as address:
        answer = exchange(address, data)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
    assert b"connection: close" in answer


def test_a_client_that_waits_for_permission_gets_it():
    with serving(echo) as address, socket.create_connection(address, timeout=10) as client:
        client.sendall(b"POST /slow HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        assert client.recv(1000).endswith(b"POST /slow ok")


def test_many_pipelined_requests_are_all_answered():
    with serving(echo) as address:
        data = b"GET /slow HTTP/1.1\r\n\r\n" * 100 + b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
        answer = exchange(address, data)
    assert answer.count(b"HTTP/1.1 200 OK") == 101


def test_a_stale_socket_file_is_replaced(tmp_path):
    path = tmp_path / "serve.sock"
    listener({"WILDSAGE_BIND_SOCKET": str(path)}).close()
    assert path.exists()
    listener({"WILDSAGE_BIND_SOCKET": str(path)}).close()
    bound = listener({"SAGEMAKER_BIND_TO_PORT": "0"})
    assert bound.family == socket.AF_INET
    bound.close()
