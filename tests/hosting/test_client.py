import asyncio

import pytest

from wildsage.hosting.client import (
    Address,
    BadReplyError,
    CallTimeoutError,
    ConnectionLostError,
    ContainerClient,
    NotConnectedError,
)

LIMIT = 1_000_000


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 20))


def client_of(server):
    return ContainerClient(Address(server.path), largest_reply=LIMIT)


def test_a_call_sends_head_and_body_and_returns_the_whole_reply(scripted_server):
    async def scenario():
        scripted_server.behaviour = scripted_server.reply(
            b"HTTP/1.1 201 Created\r\nContent-Type: text/csv\r\nX-Thing: A\r\nContent-Length: 3\r\n\r\n1,2"
        )
        async with scripted_server, client_of(scripted_server) as client:
            reply = await client.post("/invocations", b"abc", [("Content-Type", "text/csv")], timeout=2)
        assert (reply.status, reply.body) == (201, b"1,2")
        assert reply.headers["content-type"] == "text/csv"
        assert reply.headers["x-thing"] == "A"
        head, body = scripted_server.requests[0]
        assert head.startswith(b"POST /invocations HTTP/1.1\r\n")
        assert b"Content-Type: text/csv\r\n" in head
        assert body == b"abc"

    run(scenario())


def test_calls_one_after_another_share_a_connection(scripted_server):
    async def scenario():
        async with scripted_server, client_of(scripted_server) as client:
            for _ in range(5):
                assert (await client.get("/ping", timeout=2)).status == 200
        assert scripted_server.connections == 1

    run(scenario())


def test_calls_at_the_same_time_use_a_connection_each_and_do_not_mix(scripted_server):
    async def echo(server, reader, writer):
        while (request := await server.read_request(reader)) is not None:
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request[1]) + request[1])

    async def scenario():
        scripted_server.behaviour = echo
        async with scripted_server, client_of(scripted_server) as client:
            bodies = [b"%d" % number * (number * 997) for number in range(40)]
            replies = await asyncio.gather(*(client.post("/i", body, (), timeout=5) for body in bodies))
        assert [reply.body for reply in replies] == bodies
        assert scripted_server.connections <= 40

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde",
    ],
    ids=["chunked", "interim response", "ended by the connection", "announced close"],
)
def test_every_way_to_frame_a_body_is_understood(scripted_server, answer):
    async def scenario():
        scripted_server.behaviour = scripted_server.reply(answer, close=b"chunked" not in answer)
        async with scripted_server, client_of(scripted_server) as client:
            for _ in range(2):
                reply = await client.get("/", timeout=2)
                assert (reply.status, reply.body) == (200, b"abcde")

    run(scenario())


def test_an_empty_204_ends_without_a_length(scripted_server):
    async def scenario():
        scripted_server.behaviour = scripted_server.reply(b"HTTP/1.1 204 No Content\r\n\r\n")
        async with scripted_server, client_of(scripted_server) as client:
            for _ in range(2):
                reply = await client.post("/invocations", b"x", (), timeout=2)
                assert (reply.status, reply.body) == (204, b"")
        assert scripted_server.connections == 1

    run(scenario())


def test_a_connection_that_the_server_closed_while_idle_is_replaced(scripted_server):
    async def once(server, reader, writer):
        request = await server.read_request(reader)
        server.requests.append(request)
        # Says that it will stay open, then closes all the same.
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async def scenario():
        scripted_server.behaviour = once
        async with scripted_server, client_of(scripted_server) as client:
            for _ in range(5):
                assert (await client.post("/invocations", b"x", (), timeout=2)).status == 200
        assert len(scripted_server.requests) == 5

    run(scenario())


def test_nobody_there_is_told_apart_from_a_lost_connection(tmp_path, scripted_server):
    async def hang_up(server, reader, writer):
        server.requests.append(await server.read_request(reader))

    async def scenario():
        async with ContainerClient(Address(tmp_path / "none.sock"), largest_reply=LIMIT) as client:
            with pytest.raises(NotConnectedError, match=r"none\.sock"):
                await client.get("/ping", timeout=1)
        scripted_server.behaviour = hang_up
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(ConnectionLostError):
                await client.post("/invocations", b"x", (), timeout=1)
        assert len(scripted_server.requests) == 1  # a new connection: the request may have been processed

    run(scenario())


def test_a_body_that_breaks_off_is_lost(scripted_server):
    async def scenario():
        scripted_server.behaviour = scripted_server.reply(
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", close=True
        )
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(ConnectionLostError):
                await client.get("/", timeout=2)

    run(scenario())


def test_silence_ends_in_a_timeout_and_the_connection_is_not_used_again(scripted_server):
    async def silent(server, reader, writer):
        while (request := await server.read_request(reader)) is not None:
            server.requests.append(request)

    async def scenario():
        scripted_server.behaviour = silent
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(CallTimeoutError, match=r"0\.05 s"):
                await client.get("/", timeout=0.05)
            scripted_server.behaviour = scripted_server.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert (await client.get("/", timeout=2)).status == 200
        assert scripted_server.connections == 2

    run(scenario())


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"\x00\xff" * 40, b"SSH-2.0-x\r\n"])
def test_a_reply_that_is_not_http_is_refused(scripted_server, answer):
    async def scenario():
        scripted_server.behaviour = scripted_server.reply(answer)
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(BadReplyError, match="not HTTP"):
                await client.get("/", timeout=2)

    run(scenario())


def test_a_reply_above_the_limit_is_refused_while_it_comes(scripted_server):
    async def endless(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()

    async def scenario():
        scripted_server.behaviour = endless
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(BadReplyError, match="larger than 1000000 bytes"):
                await client.get("/", timeout=5)

    run(scenario())


@pytest.mark.parametrize(
    ("begin", "again", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Endless: ", b"x" * 10_000, "head is larger"),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 10_000 + b"\r\n", "head is larger"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "head is larger"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X: " + b"x" * 10_000 + b"\r\n",
            "in more than 2000000 bytes",
        ),
    ],
    ids=["one header", "headers", "interim responses", "trailers"],
)
def test_what_is_no_body_is_bounded_too(scripted_server, begin, again, message):
    async def endless(server, reader, writer):
        await server.read_request(reader)
        writer.write(begin)
        while True:
            writer.write(again)
            await writer.drain()

    async def scenario():
        scripted_server.behaviour = endless
        async with scripted_server, client_of(scripted_server) as client:
            with pytest.raises(BadReplyError, match=message):
                await client.get("/", timeout=10)

    run(scenario())


def test_a_link_to_the_socket_of_another_container_is_not_followed(scripted_server):
    async def scenario():
        link = scripted_server.path.with_name("link.sock")
        link.symlink_to(scripted_server.path)
        async with scripted_server, ContainerClient(Address(link), largest_reply=LIMIT) as client:
            with pytest.raises(NotConnectedError):
                await client.get("/ping", timeout=1)
        assert scripted_server.connections == 0

    run(scenario())


def test_a_cancelled_call_leaves_no_half_used_connection(scripted_server):
    async def scenario():
        arrived = asyncio.Event()

        async def slow(server, reader, writer):
            await server.read_request(reader)
            arrived.set()
            await asyncio.Event().wait()

        scripted_server.behaviour = slow
        async with scripted_server, client_of(scripted_server) as client:
            call = asyncio.create_task(client.get("/", timeout=5))
            await arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            scripted_server.behaviour = scripted_server.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert (await client.get("/", timeout=2)).status == 200
        assert scripted_server.connections == 2

    run(scenario())


def test_a_port_serves_where_no_socket_is_made(tmp_path):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nport")
        await writer.drain()
        writer.close()

    async def scenario():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, ContainerClient(Address(tmp_path / "none.sock", port), largest_reply=9) as client:
            assert (await client.get("/ping", timeout=2)).body == b"port"

    run(scenario())
