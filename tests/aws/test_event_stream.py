"""Event streams, read by botocore's own decoder and clients."""

import asyncio
import threading

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aws.support import gateway
from tests.live import client, serve

from wildsage.aws.model import Shape
from wildsage.aws.protocols.event_stream import LARGEST_PAYLOAD, EventStreamCodec, frame, header
from wildsage.aws.protocols.json_codec import JsonCodec
from wildsage.core.errors import ServiceError

SHAPES = {
    "Stream": {
        "type": "structure",
        "eventstream": True,
        "members": {
            "Part": {"shape": "Part"},
            "Headed": {"shape": "Headed"},
            "Words": {"shape": "Words"},
            "Details": {"shape": "Details"},
            "End": {"shape": "Nothing"},
            "Broken": {"shape": "BrokenError"},
        },
    },
    "Part": {"type": "structure", "event": True, "members": {"Bytes": {"shape": "Blob", "eventpayload": True}}},
    "Headed": {
        "type": "structure",
        "event": True,
        "members": {
            "Yes": {"shape": "Boolean", "eventheader": True},
            "When": {"shape": "Timestamp", "eventheader": True},
            "Where": {"shape": "String", "eventheader": True},
            "Text": {"shape": "String"},
        },
    },
    "Words": {"type": "structure", "event": True, "members": {"Text": {"shape": "String", "eventpayload": True}}},
    "Details": {"type": "structure", "event": True, "members": {"In": {"shape": "Inner", "eventpayload": True}}},
    "Inner": {"type": "structure", "members": {"Text": {"shape": "String"}}},
    "Nothing": {"type": "structure", "event": True, "members": {}},
    "BrokenError": {
        "type": "structure",
        "exception": True,
        "error": {"code": "Broken.Code"},
        "members": {"Message": {"shape": "String"}, "Cause": {"shape": "String"}},
    },
    "Blob": {"type": "blob"},
    "Boolean": {"type": "boolean"},
    "String": {"type": "string"},
    "Timestamp": {"type": "timestamp"},
}  # fmt: skip
UNION = Shape(SHAPES, {"shape": "Stream"})


def decoded(data):
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


async def saying(*events):
    for event in events:
        if isinstance(event, Exception):
            raise event
        yield event


def streamed(*events, **options):
    codec = EventStreamCodec("application/json", JsonCodec().document)
    return decoded(
        asyncio.run(codec.stream(UNION, saying(*events), "the-id", **options).read(LARGEST_PAYLOAD))
    )


def bounded(bits):
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


VALUES = st.one_of(
    st.tuples(st.just("boolean"), st.booleans()),
    *(
        st.tuples(st.just(kind), bounded(bits))
        for kind, bits in [("byte", 8), ("short", 16), ("integer", 32), ("long", 64)]
    ),
    st.tuples(st.just("blob"), st.binary(max_size=300)),
    st.tuples(st.just("string"), st.text(max_size=100)),
)
NAMES = st.text(st.characters(codec="ascii"), min_size=1, max_size=255)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5), st.binary(max_size=3000))
def test_what_is_framed_is_what_botocore_reads(headers, payload):
    message = frame([header(name, kind, value) for name, (kind, value) in headers.items()], payload)

    assert decoded(message * 2) == [({n: v for n, (_, v) in headers.items()}, payload)] * 2


@pytest.mark.parametrize(
    ("event", "headers", "payload"),
    [
        ({"Part": {"Bytes": b"\0\xff"}}, {":content-type": "application/octet-stream"}, b"\0\xff"),
        ({"Part": {"Bytes": b""}}, {":content-type": "application/octet-stream"}, b""),
        ({"Part": {}}, {}, b""),
        ({"Words": {"Text": "käse"}}, {":content-type": "text/plain"}, "käse".encode()),
        ({"Details": {"In": {"Text": "t"}}}, {":content-type": "application/json"}, b'{"Text":"t"}'),
        ({"End": {}}, {}, b""),
        (
            {"Headed": {"Yes": True, "When": 1.5, "Where": "here", "Text": "t"}},
            {":content-type": "application/json", "Yes": True, "When": 1500, "Where": "here"},
            b'{"Text":"t"}',
        ),
        ({"Headed": {"Yes": False, "Where": None}}, {":content-type": "application/json", "Yes": False}, b"{}"),
    ],
)  # fmt: skip
def test_members_travel_where_the_model_puts_them(event, headers, payload):
    [name] = event

    assert streamed(event) == [({":message-type": "event", ":event-type": name, **headers}, payload)]


def test_the_initial_response_comes_first():
    [(headers, payload), (second, _)] = streamed({"End": {}}, initial=b'{"a":1}')

    assert (headers[":event-type"], headers[":content-type"], payload) == (
        "initial-response",
        "application/json",
        b'{"a":1}',
    )
    assert second[":event-type"] == "End"


@pytest.mark.parametrize("code", ["Broken", "BrokenError", "Broken.Code"])
def test_an_exception_of_the_model_ends_the_stream(code):
    error = ServiceError("no more", code=code, members={"Cause": "gremlins", "Other": "x"})

    first, (headers, payload) = streamed({"End": {}}, error, {"End": {}})

    assert first[0][":event-type"] == "End"
    assert headers == {
        ":message-type": "exception",
        ":exception-type": "Broken",
        ":content-type": "application/json",
    }
    assert payload == b'{"Message":"no more","Cause":"gremlins"}'


def test_an_error_that_the_model_does_not_have_is_told_without_a_shape():
    [(headers, payload)] = streamed(ServiceError("ü" * 100_000, code="Unheard"))

    assert (headers[":message-type"], headers[":error-code"], payload) == ("error", "Unheard", b"")
    assert headers[":error-message"] == "ü" * 4096


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("secret"),
        {"Part": {"Bytes": b""}, "End": {}},
        {},
        {"Nonsense": {}},
        {"End": {"Nonsense": 1}},
        {"Part": {"Bytes": "text"}},
        {"Part": {"Bytes": 5}},
        pytest.param({"Part": {"Bytes": bytes(LARGEST_PAYLOAD + 1)}}, id="too large"),
        {"Headed": {"Where": "x" * 40_000}},
    ],
    ids=lambda fault: str(fault)[:30],
)
def test_a_fault_of_the_handler_ends_the_stream_in_brief_and_is_logged_in_full(fault, caplog):
    [_, (headers, _)] = streamed({"End": {}}, fault)

    assert (headers[":message-type"], headers[":error-code"]) == ("error", "InternalFailure")
    assert "the-id" in headers[":error-message"]
    assert "secret" not in headers[":error-message"]
    assert "Traceback" in caplog.text


def test_closing_the_body_closes_the_events_even_before_the_first():
    class Events:
        closed = False

        def __aiter__(self):
            return self

        async def aclose(self):
            self.closed = True

    events = Events()
    codec = EventStreamCodec("application/json", JsonCodec().document)

    asyncio.run(aiter(codec.stream(UNION, events, "the-id")).aclose())

    assert events.closed


@pytest.fixture(scope="module")
def closed():
    return threading.Event()


@pytest.fixture(scope="module")
def url(closed):
    async def words(_context, request):
        async def parts():
            for part in request["Body"].split():
                if part == b"fail":
                    raise ServiceError("out of words", code="ModelStreamError", members={"ErrorCode": "E"})
                yield {"PayloadPart": {"Bytes": part}}

        return {"Body": parts(), "ContentType": "text/plain"}

    async def select(_context, _request):
        return {
            "Payload": saying(
                {"Records": {"Payload": b"a,b\n"}},
                {"Cont": {}},
                {"Stats": {"Details": {"BytesScanned": 4, "BytesReturned": 4}}},
                {"End": {}},
            )
        }

    async def tail(_context, _request):
        async def updates():
            yield {"sessionStart": {"sessionId": "s"}}
            try:
                while True:
                    await asyncio.sleep(0)  # as whatever waits for something to happen does
                    yield {"sessionUpdate": {"sessionResults": [{"message": "m" * 60_000, "timestamp": 1}]}}
            finally:
                closed.set()

        return {"responseStream": updates()}

    handlers = {
        "sagemaker-runtime": {"InvokeEndpointWithResponseStream": words},
        "s3": {"SelectObjectContent": select},
        "logs": {"StartLiveTail": tail},
    }
    with serve(gateway(handlers)) as served:
        yield served


def invoke(url, body):
    runtime = client("sagemaker-runtime", url)
    return runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=body)


def test_boto3_reads_the_parts_of_an_answer(url):
    answer = invoke(url, b"one two three")

    assert answer["ContentType"] == "text/plain"
    assert [event["PayloadPart"]["Bytes"] for event in answer["Body"]] == [b"one", b"two", b"three"]


def test_boto3_raises_what_breaks_a_stream_that_had_begun(url):
    events = iter(invoke(url, b"one fail")["Body"])

    assert next(events) == {"PayloadPart": {"Bytes": b"one"}}
    with pytest.raises(EventStreamError, match=r"\(ModelStreamError\).*out of words"):
        next(events)


def test_boto3_reads_the_events_of_a_selection(url):
    answer = client("s3", url).select_object_content(
        Bucket="b",
        Key="k",
        Expression="SELECT * FROM S3Object",
        ExpressionType="SQL",
        InputSerialization={"CSV": {}},
        OutputSerialization={"CSV": {}},
    )

    assert [*answer["Payload"]] == [
        {"Records": {"Payload": b"a,b\n"}},
        {"Cont": {}},
        {"Stats": {"Details": {"BytesScanned": 4, "BytesReturned": 4}}},
        {"End": {}},
    ]


def test_a_client_that_leaves_ends_the_events(url, closed):
    # The host of this operation has a prefix, which no address can have.
    logs = client("logs", url, config={"inject_host_prefix": False})
    arn = "arn:aws:logs:us-west-2:123456789012:log-group:g"
    stream = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]

    first, second = (event for event, _ in zip(stream, range(2), strict=False))
    stream.close()

    assert first["sessionStart"]["sessionId"] == "s"
    assert second["sessionUpdate"]["sessionResults"][0]["timestamp"] == 1
    assert closed.wait(timeout=10)


def test_a_stream_is_sent_event_by_event():
    held = asyncio.Event()

    async def two():
        yield {"Words": {"Text": "first"}}
        await held.wait()
        yield {"Words": {"Text": "second"}}

    async def read():
        codec = EventStreamCodec("application/json", JsonCodec().document)
        chunks = aiter(codec.stream(UNION, two(), "the-id"))
        first = await asyncio.wait_for(anext(chunks), 10)
        held.set()
        return decoded(first), decoded(await anext(chunks))

    assert [[payload for _, payload in frames] for frames in asyncio.run(read())] == [[b"first"], [b"second"]]
