"""Heads and bodies of HTTP/1.1, and what a relay must refuse."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.clients.http1 import (
    LARGEST_HEAD,
    Ending,
    HttpError,
    TruncatedError,
    read_request_head,
    read_response_head,
    relay_body,
)


class Sink:
    """A writer that keeps what it gets."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    async def drain(self):
        pass


def reader_of(data, *, end=True):
    reader = asyncio.StreamReader(limit=256 * 1024)
    reader.feed_data(data)
    if end:
        reader.feed_eof()
    return reader


def request(data, *, end=True, patience=5.0):
    async def read():
        return await read_request_head(reader_of(data, end=end), patience, patience)

    return asyncio.run(read())


def response(data):
    async def read():
        return await read_response_head(reader_of(data))

    return asyncio.run(read())


def relayed(data, framing):
    async def relay():
        sink, reader = Sink(), reader_of(data)
        await relay_body(reader, sink, framing)
        return sink.data, await reader.read()

    return asyncio.run(relay())


def test_a_request_head():
    head = request(
        b"\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert (head.method, head.target, head.get("host"), head.tokens("x-a")) == (
        "POST",
        "/a?b",
        "h",
        ["1", "2"],
    )
    assert head.framing() == 5
    assert head.keeps_alive


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nProxy-Connection: keep-alive\r\n\r\n", True),
    ],
)
def test_whether_the_connection_stays(data, keeps):
    assert request(data).keeps_alive is keeps


def test_what_was_meant_for_the_proxy_is_taken_out():
    head = request(
        b"GET http://h/a HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic x\r\nProxy-Connection: close\r\n"
        b"X-Signed: kept  as is\r\n\r\n"
    )
    assert head.readdressed("/a") == b"GET /a HTTP/1.1\r\nHost: h\r\nX-Signed: kept  as is\r\n\r\n"
    assert b"\r\nProxy-Authorization: Basic y\r\n" in head.readdressed("http://h/a", "Basic y")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Content-Length: 1\r\nContent-Length: 2", 400),
        (b"Content-Length: 1\r\nContent-Length: 1", 400),
        (b"Content-Length: 1, 1", 400),
        (b"Content-Length: +1", 400),
        (b"Content-Length: 0x10", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: \xb2", 400),
        (b"Content-Length: 99999999999999999999", 400),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: identity", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        (b" folded: value", 400),
        (b"Content-Length : 1", 400),
        (b"No colon", 400),
        (b"A: b\nContent-Length: 3", 400),
        (b"A: \0", 400),
        (b": empty", 400),
    ],
)
def test_messages_with_two_readings_are_refused(fields, status):
    with pytest.raises(HttpError) as caught:
        request(b"POST / HTTP/1.1\r\n" + fields + b"\r\n\r\n").framing()
    assert caught.value.status == status


@pytest.mark.parametrize(
    "first", [b"GET /", b"GET / HTTP/2", b"\x16\x03\x01\x02\x00\x01", b"GET / x HTTP/1.1"]
)
def test_what_is_no_http_1_is_refused(first):
    with pytest.raises(HttpError):
        request(first + b"\r\n\r\n")


def test_a_head_may_not_be_too_large():
    with pytest.raises(HttpError, match="larger than") as caught:
        request(b"GET / HTTP/1.1\r\nA: " + b"x" * LARGEST_HEAD + b"\r\n\r\n")
    assert caught.value.status == 431
    with pytest.raises(HttpError, match="larger than"):
        request(b"GET / HTTP/1.1\r\nA: " + b"x" * 600_000)


def test_a_connection_may_end_between_requests_only():
    assert request(b"") is None
    assert request(b"\r\n") is None
    with pytest.raises(TruncatedError):
        request(b"GET / HT")


def test_a_slow_sender_is_not_waited_for():
    with pytest.raises(TimeoutError):
        request(b"", end=False, patience=0.01)
    with pytest.raises(TimeoutError):
        request(b"GET / HTTP/1.1\r\n", end=False, patience=0.01)


@pytest.mark.parametrize(
    ("data", "method", "framing"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "GET", 3),
        (b"HTTP/1.1 200\r\n\r\n", "GET", Ending.CLOSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", Ending.CHUNKED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", 0),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "PUT", 0),
    ],
)
def test_where_an_answer_ends(data, method, framing):
    assert response(data).framing(method) == framing


@pytest.mark.parametrize(
    "data", [b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 OK 200\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"]
)
def test_what_is_no_answer_is_refused(data):
    with pytest.raises(HttpError) as caught:
        response(data)
    assert caught.value.status == 502


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.binary(max_size=50), st.booleans())
def test_chunked_bodies_pass_unchanged_and_nothing_behind_them(chunks, behind, trailing):
    body = b"".join(b"%X;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n"
    body += b"x-amz-checksum-crc32: AAAAAA==\r\n\r\n" if trailing else b"\r\n"
    assert relayed(body + behind, Ending.CHUNKED) == (body, behind)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=500), st.binary(max_size=50))
def test_bodies_of_known_length(body, behind):
    assert relayed(body + behind, len(body)) == (body, behind)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_refused(body):
    with pytest.raises(HttpError):
        relayed(body, Ending.CHUNKED)


@pytest.mark.parametrize(
    ("body", "framing"), [(b"abc", 4), (b"5\r\nabc", Ending.CHUNKED), (b"0\r\n", Ending.CHUNKED)]
)
def test_a_body_that_ends_early_is_noticed(body, framing):
    with pytest.raises(TruncatedError):
        relayed(body, framing)
