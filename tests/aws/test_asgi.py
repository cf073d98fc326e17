import asyncio

import pytest
from tests.aws.support import gateway

from wildsage.core.streams import ByteStream


class Exchange:
    """Plays the server: hands messages in, collects what comes out."""

    def __init__(self, *messages):
        self.incoming = list(messages) or [{"type": "http.request", "body": b""}]
        self.sent = []
        self.silent = asyncio.Event()

    async def receive(self):
        if not self.incoming:
            await self.silent.wait()
        return self.incoming.pop(0)

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode("latin-1") for name, value in self.sent[0]["headers"]}

    @property
    def body(self):
        return b"".join(message["body"] for message in self.sent[1:])


def scope(method, path, *headers, query=b""):
    authorization = b"AWS4-HMAC-SHA256 Credential=AK/20240101/us-west-2/s3/aws4_request, Signature=0"
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"host", b"localhost"), (b"authorization", authorization), *headers],
    }


def run(handlers, exchange, *arguments, **options):
    application = gateway({"s3": handlers})
    asyncio.run(application(scope(*arguments, **options), exchange.receive, exchange.send))
    return exchange


class Chunks:
    """A producer that knows how far it came and whether it was closed."""

    def __init__(self, count, *, fail=False):
        self.count, self.fail, self.made, self.closed = count, fail, 0, False

    async def __aiter__(self):
        try:
            for _ in range(self.count):
                self.made += 1
                yield b"x"
                await asyncio.sleep(0)
            if self.fail:
                raise OSError("disk")
        finally:
            self.closed = True

    def handler(self):
        async def get(_context, _request):
            return {"Body": ByteStream(aiter(self)), "ContentLength": self.count}

        return {"GetObject": get}


def test_a_stream_is_sent_chunk_by_chunk_and_closed():
    chunks = Chunks(5)

    exchange = run(chunks.handler(), Exchange(), "GET", "/b/k")

    assert (exchange.status, exchange.body) == (200, b"xxxxx")
    assert exchange.headers["content-length"] == "5"
    assert exchange.sent[-1].get("more_body", False) is False
    assert chunks.closed


def test_a_stream_ends_when_its_client_is_gone():
    chunks = Chunks(10_000)

    run(chunks.handler(), Exchange({"type": "http.disconnect"}), "GET", "/b/k")

    assert chunks.made < 10
    assert chunks.closed


def test_a_stream_that_breaks_is_never_completed():
    chunks = Chunks(3, fail=True)
    exchange = Exchange()

    with pytest.raises(OSError, match="disk"):
        run(chunks.handler(), exchange, "GET", "/b/k")

    assert exchange.sent[-1]["more_body"] is True  # the server drops the connection: the client sees it
    assert chunks.closed


def test_a_client_that_leaves_in_mid_upload_gets_no_answer_and_leaves_no_trace():
    async def put(_context, request):
        async for _ in request["Body"]:
            pass
        raise AssertionError("the upload is incomplete")

    upload = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    exchange = run({"PutObject": put}, Exchange(*upload), "PUT", "/b/k", (b"content-length", b"100"))

    assert exchange.sent == []


def test_header_values_cannot_break_out_of_their_line():
    async def get(_context, request):
        return {"Body": ByteStream.of(b""), "ContentType": request["ResponseContentType"]}

    query = b"response-content-type=text/html%0d%0aSet-Cookie:%20a=b"
    exchange = run({"GetObject": get}, Exchange(), "GET", "/b/k", query=query)

    assert exchange.headers["content-type"] == "text/html  Set-Cookie: a=b"


def test_a_body_that_is_still_held_back_closes_the_connection():
    async def put(_context, _request):
        return {}

    expect = [(b"expect", b"100-continue"), (b"content-length", b"9")]
    refused = run({"PutObject": put}, Exchange(), "PUT", "/b/k", *expect)

    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_error_document_is_sent_unless_the_method_is_head(method):
    exchange = run({}, Exchange(), method, "/b/k")

    assert exchange.status == 400
    assert bool(exchange.body) == (method == "GET")


def test_lifespan_is_answered():
    exchange = Exchange({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    asyncio.run(gateway()({"type": "lifespan"}, exchange.receive, exchange.send))

    assert [message["type"] for message in exchange.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
