"""Requests that nobody with the key has signed: 403 with AWS's code, and nothing is stored."""

import hashlib
import json
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from tests.faults.platform import REGION, ROLE
from tests.faults.wire import send

from wildsage.core.credentials import AccessKey
from wildsage.core.signing import ChunkSignatures, Scope, sign_request

MODEL = {"ModelName": "forged", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "fault:1"}}
CONTENT = {"s3": b"forged", "sagemaker": json.dumps(MODEL).encode()}
HEADERS = {
    "s3": {},
    "sagemaker": {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.CreateModel"},
}
PATH = {"s3": "/out/forged", "sagemaker": "/"}
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

_MISMATCH = {"s3": "SignatureDoesNotMatch", "sagemaker": "InvalidSignatureException"}
_TIME = {"s3": "RequestTimeTooSkewed", "sagemaker": "InvalidSignatureException"}
_MALFORMED = {"s3": "AuthorizationHeaderMalformed", "sagemaker": "IncompleteSignatureException"}
_SCOPE = {"s3": "AuthorizationHeaderMalformed", "sagemaker": "InvalidSignatureException"}
_UNSIGNED = {"s3": "AccessDenied", "sagemaker": "InvalidSignatureException"}


class Forger:
    """Signs a create as its owner would; then bends it."""

    def __init__(self, platform, service):
        keys = platform.credentials
        self.service = service
        self.key = AccessKey(keys["aws_access_key_id"], keys["aws_secret_access_key"], None, "", "")
        self.url = platform.url
        self.method = "PUT" if service == "s3" else "POST"

    def signed(self, *, ago=0.0, region=REGION, key=None, headers=None, payload_hash=""):
        return sign_request(
            key or self.key, self.method, self.url + PATH[self.service], region=region, at=time.time() - ago,
            service=self.service, headers=HEADERS[self.service] | (headers or {}),
            payload_hash=payload_hash or hashlib.sha256(CONTENT[self.service]).hexdigest(),
        )  # fmt: skip

    def bent(self, bend):
        headers = self.signed()
        return headers | {"authorization": bend(headers["authorization"])}

    def send(self, headers, body=None, path=None):
        body = CONTENT[self.service] if body is None else body
        fields = {**headers, "content-length": str(len(body)), "connection": "close"}
        head = [f"{self.method} {path or PATH[self.service]} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in fields.items()]
        return send(self.url, "\r\n".join(head).encode() + b"\r\n\r\n" + body)


def _flipped(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


FORGERIES = {
    "not signed": (
        lambda forger: {**HEADERS[forger.service], "host": urlsplit(forger.url).netloc},
        {"s3": "AccessDenied", "sagemaker": "MissingAuthenticationTokenException"},
    ),
    "another secret": (
        lambda forger: forger.signed(key=replace(forger.key, secret_access_key="x" * 40)),
        _MISMATCH,
    ),
    "an unknown key": (
        lambda forger: forger.signed(key=replace(forger.key, access_key_id="AKIAIOSFODNN7EXAMPLE")),
        {"s3": "InvalidAccessKeyId", "sagemaker": "UnrecognizedClientException"},
    ),
    "a session token that is none": (
        lambda forger: forger.signed(key=replace(forger.key, session_token="token")),
        {"s3": "InvalidToken", "sagemaker": "UnrecognizedClientException"},
    ),
    "a flipped digit": (lambda forger: forger.bent(_flipped), _MISMATCH),
    "a truncated signature": (lambda forger: forger.bent(lambda text: text[:-24]), _MISMATCH),
    "no signature in the header": (
        lambda forger: forger.bent(lambda text: text.partition(", Signature")[0]),
        _MALFORMED,
    ),
    "from twenty minutes ago": (lambda forger: forger.signed(ago=1200), _TIME),
    "from in twenty minutes": (lambda forger: forger.signed(ago=-1200), _TIME),
    "host not signed": (lambda forger: forger.bent(lambda text: text.replace("host;", "")), _UNSIGNED),
    "a header added on the way": (lambda forger: forger.signed() | {"x-amz-acl": "public-read"}, _UNSIGNED),
    "a scope of another region": (
        lambda forger: forger.bent(lambda text: text.replace(REGION, "eu-north-1")),
        _MISMATCH,
    ),
    "a scope of another day": (
        lambda forger: forger.bent(lambda text: text.replace(time.strftime("/%Y%m%d/", time.gmtime()), "/20200101/")),
        _SCOPE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("service", ["s3", "sagemaker"])
@pytest.mark.parametrize("name", FORGERIES)
def test_forged(lasting_platform, service, name):
    forge, codes = FORGERIES[name]
    forger = Forger(lasting_platform, service)
    status, body = forger.send(forge(forger))
    assert status == 403, body
    assert codes[service] in body
    _assert_nothing_stored(lasting_platform)


def test_a_body_that_is_not_the_signed_one(lasting_platform):
    for service, refusal in (
        ("s3", (400, "XAmzContentSHA256Mismatch")),
        ("sagemaker", (403, _MISMATCH["sagemaker"])),
    ):
        forger = Forger(lasting_platform, service)
        status, body = forger.send(forger.signed(), body=CONTENT[service][::-1])
        assert status == refusal[0]
        assert refusal[1] in body
    _assert_nothing_stored(lasting_platform)


def test_a_presigned_url_past_its_expiry_or_changed(lasting_platform):
    s3 = lasting_platform.client("s3")
    forger = Forger(lasting_platform, "s3")
    short, long = (
        s3.generate_presigned_url("put_object", Params={"Bucket": "out", "Key": "forged"}, ExpiresIn=seconds)
        for seconds in (-1, 600)
    )
    host = {"host": urlsplit(lasting_platform.url).netloc}
    for url, code in (
        (short, "AccessDenied"),
        (long.replace("forged", "forged2"), "SignatureDoesNotMatch"),
        (long[:-1] + ("0" if long[-1] != "0" else "1"), "SignatureDoesNotMatch"),
    ):
        parts = urlsplit(url)
        status, body = forger.send(host, path=f"{parts.path}?{parts.query}")
        assert status == 403, (url, body)
        assert code in body
    _assert_nothing_stored(lasting_platform)


@pytest.mark.parametrize("forged_chunk", [0, 1, 2, None])
def test_a_bad_chunk_signature(lasting_platform, forged_chunk):
    forger = Forger(lasting_platform, "s3")
    chunks = [b"a" * 65536, b"b" * 65536, b""]
    headers = forger.signed(
        headers={
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(sum(map(len, chunks))),
        },
        payload_hash=SIGNED_CHUNKS,
    )
    timestamp = headers["x-amz-date"]
    seed = headers["authorization"].rpartition("Signature=")[2]
    signatures = ChunkSignatures(
        forger.key.secret_access_key, Scope(timestamp[:8], REGION, "s3"), timestamp, seed
    )
    body = b""
    for number, chunk in enumerate(chunks):
        signature = signatures.of_chunk(hashlib.sha256(chunk).hexdigest())
        if number == forged_chunk:
            signature = _flipped(signature)
        body += f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + chunk + b"\r\n"
    status, answer = forger.send(headers, body)
    if forged_chunk is None:  # the test itself signs well
        assert status == 200, answer
        lasting_platform.client("s3").delete_object(Bucket="out", Key="forged")
        return
    assert status == 403
    assert "SignatureDoesNotMatch" in answer
    _assert_nothing_stored(lasting_platform)


def _assert_nothing_stored(platform):
    assert "Contents" not in platform.client("s3").list_objects_v2(Bucket="out")
    models = platform.client("sagemaker").list_models(NameContains="forged")["Models"]
    assert models == []
    content = [path for path in platform.layout.objects.rglob("*") if path.is_file()]
    assert content == []
