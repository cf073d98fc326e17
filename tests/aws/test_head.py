"""A head that came before is not read again; whatever may have changed meanwhile is."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aws.support import ACCOUNT

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.aws.head import VARYING, Heads
from wildsage.aws.http import Headers, HttpRequest
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import AccessDeniedError
from wildsage.core.signing import Message, SignedText, canonical_forms
from wildsage.core.streams import ByteStream

PRINCIPAL = f"arn:aws:sts::{ACCOUNT}:assumed-role/Tester/session"
KEY = AccessKey("AKIDEXAMPLE", "secret", "token", ACCOUNT, PRINCIPAL)
NOW = 1_790_000_000.0
INVOKE = "https://runtime.sagemaker.us-west-2.amazonaws.com/endpoints/{}/invocations"


@dataclass
class Desk:
    """A gateway whose clock, keys and policies can be changed between two requests."""

    time: float = NOW
    keys: dict[str, AccessKey] = field(default_factory=lambda: {KEY.access_key_id: KEY})
    forbidden: bool = False
    seen: list = field(default_factory=list)

    def __post_init__(self):
        operations = {"sagemaker": "DescribeTrainingJob", "sagemaker-runtime": "InvokeEndpoint", "bedrock-agentcore": "InvokeAgentRuntime", "sts": "GetCallerIdentity"}  # fmt: skip
        handlers = {service: {name: self._handle} for service, name in operations.items()}
        authenticate = Authenticator(self.keys.get, self)
        self.gateway = Gateway(handlers, authenticate, self._authorize, {}, self)

    def now(self):
        return self.time

    monotonic = now

    async def _handle(self, context, request):
        body = request.get("Body", b"")
        body = body if isinstance(body, bytes) else await body.read(1000)
        self.seen.append({**request, "Body": body} if body else request)
        return {}

    def _authorize(self, *_):
        if self.forbidden:
            raise AccessDeniedError("not this one")

    def ask(self, request):
        """Return the status, and the error's code if it is one."""
        response = asyncio.run(self.gateway.answer(request))
        headers = dict(response.headers)
        said = json.loads(response.body) if response.status >= 400 else {}
        return response.status, said.get("__type") or headers.get("x-amzn-ErrorType", "")


def signed(url, body=b"", *, service="sagemaker", at=NOW, key=KEY, headers=()):
    request = AWSRequest("POST", url, dict(headers), body)
    request.context["timestamp"] = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    auth = SigV4Auth(
        Credentials(key.access_key_id, key.secret_access_key, key.session_token), service, "us-west-2"
    )
    request.headers["X-Amz-Security-Token"] = key.session_token
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    auth._inject_signature_to_request(request, signature)
    parts = urlsplit(url)
    fields = [("host", parts.netloc), ("content-length", str(len(body))), *request.headers.items()]
    return HttpRequest("POST", parts.path, parts.query, Headers(fields), ByteStream.of(body))


def invocation(endpoint="one", body=b"1,2", **options):
    return signed(INVOKE.format(endpoint), body, **options)


def test_requests_of_one_head_are_told_apart_by_their_bodies_and_times():
    desk = Desk()

    requests = [
        invocation(body=f"{number}".encode(), at=NOW + number, headers={"Content-Type": "text/csv"})
        for number in range(3)
    ]
    for number, request in enumerate(requests):
        desk.time = NOW + number
        assert desk.ask(request)[0] == 200

    [head] = {request.head for request in requests}
    assert head.claim.timestamp == requests[0].headers.get("x-amz-date")
    assert desk.seen == [
        {"EndpointName": "one", "ContentType": "text/csv", "Body": f"{number}".encode()}
        for number in range(3)
    ]


def test_what_the_head_says_is_never_taken_from_another_request():
    desk = Desk()
    kinds = ({}, {"Content-Type": "text/csv"}, {"Content-Type": "text/plain"}, {"Accept": "text/csv"})

    for endpoint in ("one", "two"):
        for headers in (*kinds, *kinds):
            assert desk.ask(invocation(endpoint, headers=headers))[0] == 200

    members = [
        (request["EndpointName"], request.get("ContentType"), request.get("Accept")) for request in desk.seen
    ]
    once = [(None, None), ("text/csv", None), ("text/plain", None), (None, "text/csv")]
    assert members == [(endpoint, *kind) for endpoint in ("one", "two") for kind in (*once, *once)]


def test_a_member_in_a_field_that_varies_is_read_each_time():
    desk = Desk()
    url = "https://bedrock-agentcore.us-west-2.amazonaws.com/runtimes/one/invocations"
    for trace in ("00-a", "00-b"):
        headers = {"traceparent": trace}
        assert desk.ask(signed(url, b"{}", service="bedrock-agentcore", headers=headers))[0] == 200

    assert [request["traceParent"] for request in desk.seen] == ["00-a", "00-b"]


def test_a_handler_that_changes_its_request_changes_no_later_one():
    desk = Desk()
    desk.ask(invocation())
    desk.ask(invocation())
    desk.seen[1].clear()
    desk.ask(invocation())

    assert desk.seen[2] == {"EndpointName": "one", "Body": b"1,2"}


def forged(request, signature):
    headers = [
        (name, value.rpartition("=")[0] + f"={signature}" if name == "authorization" else value)
        for name, value in request.headers.fields
    ]
    return replace(request, headers=Headers(headers))


def with_body(request, body):
    return replace(request, body=ByteStream.of(body))


@pytest.mark.parametrize(
    ("change", "request_", "code"),
    [
        (lambda _: None, lambda: forged(invocation(), "0" * 64), "InvalidSignatureException"),
        (lambda _: None, lambda: forged(invocation(), "not hexadecimal"), "InvalidSignatureException"),
        (lambda _: None, lambda: with_body(invocation(), b"2,1"), "InvalidSignatureException"),
        (lambda _: None, lambda: invocation(at=NOW - 301), "InvalidSignatureException"),
        (lambda desk: setattr(desk, "time", NOW + 301), invocation, "InvalidSignatureException"),
        (lambda desk: desk.keys.clear(), invocation, "UnrecognizedClientException"),
        (lambda desk: desk.keys.update(AKIDEXAMPLE=replace(KEY, secret_access_key="other")), invocation, "InvalidSignatureException"),
        (lambda desk: desk.keys.update(AKIDEXAMPLE=replace(KEY, session_token="other")), invocation, "UnrecognizedClientException"),
        (lambda desk: desk.keys.update(AKIDEXAMPLE=replace(KEY, expires_at=NOW)), invocation, "ExpiredTokenException"),
        (lambda desk: setattr(desk, "forbidden", True), invocation, "AccessDeniedException"),
    ],
)  # fmt: skip
def test_what_can_change_is_looked_at_each_time(change, request_, code):
    desk = Desk()
    for _ in range(2):
        assert desk.ask(invocation())[0] == 200

    change(desk)

    status, said = desk.ask(request_())
    assert (status >= 400, said, len(desk.seen)) == (True, code, 2)


def test_a_date_that_is_none_is_told_as_if_it_were_the_first():
    desk = Desk()
    assert desk.ask(invocation())[0] == 200
    request = invocation()
    fields = [
        (name, "20260231T000000Z" if name == "x-amz-date" else value)
        for name, value in request.headers.fields
    ]

    assert desk.ask(replace(request, headers=Headers(fields))) == (403, "IncompleteSignatureException")


def test_a_document_is_read_and_validated_each_time():
    desk = Desk()
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob", "Content-Type": "application/x-amz-json-1.1"}

    def describe(name):
        body = json.dumps({"TrainingJobName": name}).encode()
        return desk.ask(signed("https://api.sagemaker.us-west-2.amazonaws.com/", body, headers=headers))

    assert [describe(name) for name in ("a", "b", "-", "c")] == [
        (200, ""), (200, ""), (400, "ValidationException"), (200, ""),
    ]  # fmt: skip
    assert [request["TrainingJobName"] for request in desk.seen] == ["a", "b", "c"]


def test_a_form_names_its_operation_in_the_body():
    desk = Desk()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def ask(action):
        body = f"Action={action}&Version=2011-06-15".encode()
        request = signed("https://sts.us-west-2.amazonaws.com/", body, service="sts", headers=headers)
        return asyncio.run(desk.gateway.answer(request)).status

    assert [ask(action) for action in ("GetCallerIdentity", "Nonsense", "GetCallerIdentity")] == [
        200,
        400,
        200,
    ]


def test_no_head_for_requests_whose_signature_does_not_come_last_or_that_sign_a_digest():
    heads = Heads()
    usual = invocation()
    assert heads.of(usual) is heads.of(invocation(body=b"another", at=NOW + 1)) is not None
    digest = Headers([*usual.headers.fields, ("x-amz-content-sha256", "0" * 64)])
    first = "AWS4-HMAC-SHA256 Signature=00, Credential=A/20260101/us-west-2/sagemaker/aws4_request, SignedHeaders=host"
    turned = Headers([("authorization", first)])

    assert heads.of(replace(usual, headers=digest)) is None
    assert heads.of(replace(usual, headers=turned)) is None
    assert heads.of(replace(usual, headers=Headers([("host", "here")]))) is None


def test_a_field_that_comes_twice_makes_another_head():
    heads, usual = Heads(), invocation()
    twice = replace(usual, headers=Headers([*usual.headers.fields, ("x-amz-date", "20260101T000000Z")]))

    assert heads.of(twice) is not heads.of(usual)


def test_heads_are_bounded_in_number_and_length():
    heads = Heads()
    first = heads.of(invocation())
    assert heads.of(invocation()) is first
    for number in range(1024):
        heads.of(invocation(f"endpoint-{number}"))

    assert heads.of(invocation()) is not first
    assert heads.of(invocation("e" * 9000)) is None


def test_request_ids_are_uuids():
    desk = Desk()
    answers = [asyncio.run(desk.gateway.answer(invocation())) for _ in range(50)]
    ids = {dict(answer.headers)["x-amzn-RequestId"] for answer in answers}

    assert len(ids) == 50
    assert {(str(UUID(one)) == one, UUID(one).version, UUID(one).variant) for one in ids} == {
        (True, 4, "specified in RFC 4122")
    }


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12)
NAMES = st.sampled_from(("accept", "content-type", "host", "x-amz-target", *sorted(VARYING)))


@given(st.dictionaries(NAMES, VALUES), st.data())
@settings(max_examples=200, deadline=None)
def test_the_filled_text_is_the_canonical_request(fields, data):
    def message(values, payload):
        return Message("POST", "/a b/é", "q=1&a=%20", list(values.items()), tuple(sorted(fields)), payload)

    text = SignedText(message(fields, "first"), "sagemaker", VARYING)
    later = {name: data.draw(VALUES) if name in VARYING else value for name, value in fields.items()}

    assert text.filled(later, "second") == canonical_forms(message(later, "second"), "sagemaker")[0]
