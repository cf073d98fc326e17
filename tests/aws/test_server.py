"""Requests and responses of the main port as bytes: framing, order, flow, ends."""

import asyncio
import contextlib
import socket
import threading

import pytest
from tests.live import serving

from wildsage.aws.body import MOST_BUFFERED
from wildsage.aws.http import ClientDisconnectedError, HttpResponse
from wildsage.aws.server import Server
from wildsage.core.streams import ByteStream

BOUND_SECONDS = 10.0


class Chunks:
    """A producer that knows how far it came and whether it was closed."""

    def __init__(self, count, *, size=1, fail=False):
        self.count, self.size, self.fail, self.made = count, size, fail, 0
        self.closed = threading.Event()

    async def __aiter__(self):
        try:
            for _ in range(self.count):
                self.made += 1
                yield b"x" * self.size
                await asyncio.sleep(0)
            if self.fail:
                raise OSError("disk")
        finally:
            self.closed.set()


class Application:
    """Answers by path."""

    def __init__(self):
        self.seen = []
        self.chunks = Chunks(5)
        self.length = None
        self.gate = threading.Event()
        self.lost = threading.Event()

    async def __call__(self, request):
        self.seen.append((request.method, request.path, request.query_string))
        return await getattr(self, "answer" + request.path.replace("/", "_").rstrip("*_"))(request)

    async def answer(self, request):
        return HttpResponse(200, [("x-length", str(request.body.length))], await request.body.read(1 << 30))

    async def answer_pieces(self, request):
        parts = [part async for part in request.body]
        return HttpResponse(200, [], b"".join(parts))

    async def answer_unread(self, _request):
        return HttpResponse(403, [], b"no")

    async def answer_wait(self, _request):
        while not self.gate.is_set():
            await asyncio.sleep(0.005)
        return HttpResponse(200, [], b"waited")

    async def answer_held(self, request):
        await self.answer_wait(request)
        return await self.answer(request)

    async def answer_stream(self, _request):
        return HttpResponse(200, [], ByteStream(aiter(self.chunks), self.length))

    async def answer_upload(self, request):
        try:
            await request.body.read(1 << 30)
        except ClientDisconnectedError:
            self.lost.set()
            raise
        return HttpResponse(200)

    async def answer_fault(self, _request):
        raise RuntimeError("a fault of ours")

    async def answer_large(self, _request):
        return HttpResponse(200, [], bytes(8_000_000))


@pytest.fixture
def application():
    made = Application()
    with serving(made) as made.address:
        yield made
        made.gate.set()


@contextlib.contextmanager
def connect(application):
    with socket.create_connection(application.address, timeout=BOUND_SECONDS) as connection:
        yield connection


def rest(connection):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            parts.append(chunk)
    return b"".join(parts)


def until(connection, end):
    answer = b""
    while not answer.endswith(end):
        chunk = connection.recv(65_536)
        assert chunk, answer
        answer += chunk
    return answer


def ask(application, raw):
    """Send the bytes and return all that comes until the server closes."""
    with connect(application) as connection:
        connection.sendall(raw)
        return rest(connection)


def request(path="/", *fields, method="GET", body=b"", last=True):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if last:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_target_is_handed_over_as_it_was_sent(application):
    ask(application, request("/unread//%C3%BC?a=%20b&c#part").replace(b"/unread//%C3%BC", b"/unread"))
    ask(application, request("http://elsewhere/unread?x=1"))

    assert application.seen == [("GET", "/unread", "a=%20b&c"), ("GET", "/unread", "x=1")]


def test_requests_of_one_connection_are_answered_in_their_order(application):
    with connect(application) as connection:
        connection.sendall(
            request("/wait", last=False)
            + request("/", method="POST", body=b"second", last=False)
            + request("/", method="POST", body=b"third")
        )
        application.gate.set()
        answers = rest(connection)

    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"waited", b"second", b"third"]


def test_hundreds_of_requests_at_once_are_all_answered(application):
    answers = ask(application, request("/unread", last=False) * 3000 + request("/unread"))

    assert answers.count(b"HTTP/1.1 403 Forbidden") == 3001


@pytest.mark.parametrize("path", ["/", "/pieces"])
def test_a_chunked_body_is_put_together(application, path):
    chunked = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n"
    answer = ask(application, request(path, "Transfer-Encoding: chunked", method="PUT") + chunked)

    assert answer.endswith(b"\r\n\r\nabcdefg")


@pytest.mark.parametrize("path", ["/", "/pieces", "/held"])
def test_a_body_larger_than_what_is_buffered_arrives_whole(application, path):
    body = bytes(range(256)) * (64 * MOST_BUFFERED // 256)
    raw = request(path, method="PUT", body=body)
    with connect(application) as connection:
        sender = threading.Thread(target=connection.sendall, args=(raw,))
        sender.start()
        if path == "/held":
            sender.join(0.3)  # nobody reads it: the client has to wait
            assert sender.is_alive()
            application.gate.set()
        answer = rest(connection)
        sender.join(BOUND_SECONDS)

    assert answer.partition(b"\r\n\r\n")[2] == body


def test_a_body_that_nobody_read_is_passed_over(application):
    body = bytes(4 * MOST_BUFFERED)
    with connect(application) as connection:
        connection.sendall(request("/unread", method="PUT", body=body, last=False))
        connection.sendall(request("/", method="PUT", body=b"next"))
        answers = rest(connection)

    assert answers.startswith(b"HTTP/1.1 403 Forbidden")
    assert answers.endswith(b"\r\n\r\nnext")


def test_a_body_is_asked_for_when_it_is_read(application):
    with connect(application) as connection:
        connection.sendall(request("/", "Expect: 100-continue", "Content-Length: 4", method="PUT"))
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert rest(connection).endswith(b"\r\n\r\nbody")


def test_a_body_that_is_still_held_back_closes_the_connection(application):
    answer = ask(
        application,
        request("/unread", "Expect: 100-continue", "Content-Length: 4", method="PUT", last=False),
    )

    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"connection: close" in answer


def test_a_client_of_http_1_0_gets_no_chunks_and_no_continue(application):
    answer = ask(application, b"GET /stream HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")

    assert answer == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nxxxxx"


@pytest.mark.parametrize(("path", "length"), [("/large", 8_000_000), ("/stream", 5)])
def test_an_answer_to_head_has_no_body(application, path, length):
    application.length = 5
    answer = ask(application, request(path, method="HEAD"))

    assert b"content-length: %d" % length in answer
    assert answer.endswith(b"\r\n\r\n")


def test_who_asks_for_another_protocol_is_answered_in_this_one(application):
    upgrade = request("/", "Upgrade: h2c", "Connection: Upgrade", last=False)
    answer = ask(application, upgrade + b"PRI * HTTP/2.0\r\n\r\n")

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_a_stream_is_sent_chunk_by_chunk_and_closed(application):
    answer = ask(application, request("/stream"))

    assert answer.partition(b"\r\n\r\n")[2] == b"1\r\nx\r\n" * 5 + b"0\r\n\r\n"
    assert application.chunks.closed.is_set()


def test_a_large_answer_arrives_whole(application):
    assert ask(application, request("/large")).partition(b"\r\n\r\n")[2] == bytes(8_000_000)


def test_a_stream_waits_for_its_reader_and_ends_when_he_is_gone(application):
    application.chunks = Chunks(10_000, size=65_536)
    with connect(application) as connection:
        connection.sendall(request("/stream"))
        connection.recv(1)
    assert application.chunks.closed.wait(BOUND_SECONDS)

    assert application.chunks.made < 1000


@pytest.mark.parametrize("length", [None, 3, 4])
def test_a_stream_that_breaks_is_never_completed(application, length):
    application.chunks, application.length = Chunks(3, fail=length != 4), length
    answer = ask(application, request("/stream", last=False))

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert not answer.endswith(b"0\r\n\r\n")
    assert application.chunks.closed.is_set()


def test_a_stream_longer_than_it_said_is_cut(application):
    application.length = 2
    answer = ask(application, request("/stream", last=False))

    assert answer.partition(b"\r\n\r\n")[2] == b"xx"


def test_who_leaves_in_mid_upload_is_not_waited_for(application):
    with connect(application) as connection:
        connection.sendall(request("/upload", "Content-Length: 100", method="PUT") + b"x")
    assert application.lost.wait(BOUND_SECONDS)


def test_a_fault_is_told_in_brief(application):
    answer = ask(application, request("/fault", last=False))

    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


def test_what_follows_the_last_request_is_none(application):
    answer = ask(application, request("/") + request("/unread"))

    assert answer.count(b"HTTP/1.1 ") == 1


def test_rubbish_after_a_request_does_not_cost_its_answer(application):
    with connect(application) as connection:
        connection.sendall(request("/wait", last=False) + b"rubbish\r\n\r\n")
        application.gate.set()
        answer = rest(connection)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"waited")[2].startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_end_waits_for_what_was_begun_and_closes_what_is_idle():
    application = Application()
    with contextlib.ExitStack() as stack:
        with serving(application) as application.address:
            idle = stack.enter_context(connect(application))
            idle.sendall(request("/unread", last=False))
            until(idle, b"no")
            busy = stack.enter_context(connect(application))
            busy.sendall(request("/wait", last=False))
            while len(application.seen) < 2:
                threading.Event().wait(0.005)
            threading.Timer(0.1, application.gate.set).start()
        assert rest(idle) == b""
        answer = rest(busy)

    assert answer.endswith(b"connection: close\r\n\r\nwaited")


def test_an_end_cuts_off_what_takes_too_long():
    async def end():
        begun, ended = asyncio.Event(), []

        async def answer(_request):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        server = Server(answer)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.start(listener)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(request())
            await begun.wait()
            await server.stop(0.05)
            assert ended == [True]
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(end())
