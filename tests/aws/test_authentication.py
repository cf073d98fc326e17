"""Every signature that botocore makes is accepted; every forgery is refused with AWS's code."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.aws.authentication import Authenticator
from wildsage.aws.caller import Caller
from wildsage.aws.http import Headers, HttpRequest
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream

ACCOUNT = "123456789012"
PRINCIPAL = f"arn:aws:sts::{ACCOUNT}:assumed-role/AmazonSageMaker-ExecutionRole/wildsage"
ROOT = AccessKey("AKIAIOSFODNN7EXAMPLE", "secret/key+1", None, ACCOUNT, PRINCIPAL)
SESSION = AccessKey("ASIAIOSFODNN7EXAMPLE", "another/secret", "token+/=", ACCOUNT, PRINCIPAL, 4e9)
EXPIRED = AccessKey("ASIAEXPIRED0EXAMPLE0", "third/secret", "old-token", ACCOUNT, PRINCIPAL, 1000.0)
KEYS = {key.access_key_id: key for key in (ROOT, SESSION, EXPIRED)}
REGION = "eu-west-1"


@dataclass
class Shifted:
    """A clock that is off by some seconds."""

    offset: float = 0.0

    def now(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


def credentials_of(key: AccessKey) -> Credentials:
    return Credentials(key.access_key_id, key.secret_access_key, key.session_token)


def received(signed: AWSRequest) -> HttpRequest:
    """What a server sees of a request that botocore signed."""
    prepared = signed.prepare()
    parts = urlsplit(prepared.url)
    fields = {"host": parts.netloc}
    for name, value in prepared.headers.items():
        fields[name.lower()] = value.decode("latin-1") if isinstance(value, bytes) else value
    body = prepared.body or b""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
    return HttpRequest(prepared.method, parts.path, parts.query, Headers(fields.items()), ByteStream.of(data))


def authenticate(request: HttpRequest, offset: float = 0.0) -> Caller:
    return asyncio.run(Authenticator(KEYS.get, Shifted(offset))(request))


def refusal(request: HttpRequest, offset: float = 0.0) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        authenticate(request, offset)
    assert caught.value.status == 403
    return caught.value


def signed(
    service: str = "sagemaker",
    key: AccessKey = ROOT,
    *,
    url: str = "http://localhost:8172/",
    method: str = "POST",
    data: bytes = b"{}",
    headers: dict[str, str] | None = None,
    signer: type | None = None,
    **options: object,
) -> HttpRequest:
    reference = AWSRequest(method, url, headers=headers or {}, data=data)
    make = signer or (S3SigV4Auth if service == "s3" else SigV4Auth)
    arguments = () if make is HmacV1QueryAuth else (service, REGION)
    make(credentials_of(key), *arguments, **options).add_auth(reference)
    return received(reference)


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    fields = [(field, old) for field, old in request.headers.fields if field != name]
    return HttpRequest(
        request.method, request.path, request.query_string, Headers([*fields, (name, value)]), request.body
    )


# Accepted

segment = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
header_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    service=st.sampled_from(["sagemaker", "s3", "sts", "logs"]),
    key=st.sampled_from([ROOT, SESSION]),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    segments=st.lists(segment, max_size=4),
    parameters=st.lists(st.tuples(segment, segment), max_size=3, unique_by=lambda pair: pair[0]),
    data=st.binary(max_size=64),
    headers=st.dictionaries(
        st.sampled_from(["X-Amz-Meta-A", "x-amz-target", "Content-Type", "X-Other"]), header_value
    ),
)
def test_header_signatures_equal_botocores(service, key, method, segments, parameters, data, headers):
    path = "/".join(quote(part, safe="~") for part in segments)
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in parameters)
    url = f"http://127.0.0.1:8172/{path}" + (f"?{query}" if query else "")
    request = signed(service, key, url=url, method=method, data=data, headers=headers)
    assert authenticate(request) == Caller(ACCOUNT, PRINCIPAL, service, REGION)
    assert asyncio.run(request.body.read(100)) == data


@settings(max_examples=60, deadline=None)
@given(
    signer=st.sampled_from([S3SigV4QueryAuth, HmacV1QueryAuth]),
    key=st.sampled_from([ROOT, SESSION]),
    method=st.sampled_from(["GET", "PUT"]),
    segments=st.lists(segment, min_size=1, max_size=3),
    query=st.sampled_from(
        ["", "versionId=a%2Fb", "uploads", "response-content-type=text%2Fcsv&prefix=a%20b", "tagging="]
    ),
    headers=st.dictionaries(
        st.sampled_from(["x-amz-acl", "Content-Type", "Content-MD5"]), st.sampled_from(["a/b", "c  d"])
    ),
)
def test_presigned_urls_equal_botocores(signer, key, method, segments, query, headers):
    path = "/".join(quote(part, safe="~") for part in segments)
    url = f"http://127.0.0.1:8172/bucket/{path}" + (f"?{query}" if query else "")
    request = signed("s3", key, url=url, method=method, data=b"", headers=headers, signer=signer, expires=60)
    caller = authenticate(request)
    assert (caller.principal_arn, caller.signing_name) == (PRINCIPAL, "s3")
    assert caller.region == (REGION if signer is S3SigV4QueryAuth else "")


def test_presigned_sts_url():
    url = "http://localhost/?Action=GetCallerIdentity&Version=2011-06-15"
    request = signed("sts", SESSION, url=url, method="GET", data=b"", signer=SigV4QueryAuth, expires=60)
    assert authenticate(request).signing_name == "sts"


def test_v2_parameters_become_headers_again():
    request = signed(
        "s3",
        url="http://h/b/k",
        method="PUT",
        headers={"x-amz-acl": "private"},
        data=b"",
        signer=HmacV1QueryAuth,
    )
    request = HttpRequest("PUT", request.path, request.query_string, Headers([("host", "h")]), request.body)
    authenticate(request)
    assert request.headers.get("x-amz-acl") == "private"


def test_v2_bucket_in_host():
    reference = AWSRequest("GET", "http://bucket.s3.eu-west-1.amazonaws.com/k", auth_path="/bucket/k")
    HmacV1QueryAuth(credentials_of(ROOT), expires=60).add_auth(reference)
    assert authenticate(received(reference)).signing_name == "s3"


@pytest.mark.parametrize("host", ["other.s3-us-west-2.amazonaws.com", "other.s3.amazonaws.com:80"])
def test_v2_url_does_not_open_the_bucket_of_another_host(host):
    request = signed(
        "s3", method="GET", data=b"", url="http://h/bucket/key", signer=HmacV1QueryAuth, expires=60
    )
    assert refusal(with_header(request, "host", host)).code == "SignatureDoesNotMatch"


def test_header_order_and_repeated_spaces_do_not_matter():
    request = signed("s3", method="PUT", headers={"X-Amz-Meta-A": "one   two"})
    fields = [
        (name, "  one two " if name == "x-amz-meta-a" else value) for name, value in request.headers.fields
    ]
    request.headers = Headers(reversed(fields))
    assert authenticate(request).account == ACCOUNT


def test_plus_in_a_query_is_a_space():
    request = signed("s3", method="GET", url="http://h/b?prefix=a%20b&prefix=a", data=b"")
    request.query_string = "prefix=a+b&prefix=a"
    assert authenticate(request).account == ACCOUNT


def test_signed_date_header_instead_of_x_amz_date():
    request = signed("s3", headers={"Date": "set by the signer"})
    assert "x-amz-date" not in request.headers
    assert authenticate(request).account == ACCOUNT


def test_body_of_other_services_is_bound_to_the_signature():
    request = signed("sagemaker", data=b'{"a": 1}')
    request.body = ByteStream.of(b'{"a": 2}')
    assert refusal(request).code == "InvalidSignatureException"


# Refused

CODES = {
    "sagemaker": ("UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"),
    "sts": ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"),
    "s3": ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"),
}


@pytest.mark.parametrize("service", CODES)
def test_keys_and_signatures_have_the_codes_of_their_service(service):
    unknown, wrong, expired = CODES[service]
    stranger = AccessKey("AKIASTRANGER", "x", None, "0", "x")
    impostor = AccessKey(ROOT.access_key_id, "guess", None, "0", "x")
    assert refusal(signed(service, stranger)).code == unknown
    assert refusal(signed(service, impostor)).code == wrong
    assert refusal(signed(service, EXPIRED)).code == expired


def test_session_token_is_required_and_compared():
    without = AccessKey(SESSION.access_key_id, SESSION.secret_access_key, None, "0", "x")
    other = AccessKey(SESSION.access_key_id, SESSION.secret_access_key, "not it", "0", "x")
    superfluous = AccessKey(ROOT.access_key_id, ROOT.secret_access_key, "stale", "0", "x")
    for key in (without, other, superfluous):
        assert refusal(signed("sts", key)).code == "InvalidClientTokenId"
        assert refusal(signed("s3", key)).code == "InvalidToken"
        assert (
            refusal(signed("s3", key, signer=HmacV1QueryAuth, method="GET", data=b"")).code == "InvalidToken"
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text + "0",
        lambda text: text[:-64] + text[-64:].upper() + "é",
    ],
)
def test_changed_or_truncated_signature(change):
    for service, code in (("sagemaker", "InvalidSignatureException"), ("s3", "SignatureDoesNotMatch")):
        request = signed(service)
        forged = with_header(request, "authorization", change(request.headers.get("authorization")))
        assert refusal(forged).code == code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Signature=", "Sig="),
        ("SignedHeaders=", "Headers="),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws4_other"),
        (f"/{REGION}/", "//"),
        ("Credential=", "Credential=x/"),
        ("Credential=", "Credential=AKIA/20260101/eu-west-1/s3/aws4_request, Credential="),
    ],
)
def test_malformed_authorization(old, new):
    request = signed("sagemaker")
    text = request.headers.get("authorization").replace(old, new)
    assert refusal(with_header(request, "authorization", text)).code == "IncompleteSignatureException"


def test_missing_signature_in_every_dialect():
    plain = HttpRequest("GET", "/bucket/key", "", Headers([("host", "h")]), ByteStream.of(b""))
    assert refusal(plain).code == "AccessDenied"
    json = with_header(plain, "x-amz-target", "SageMaker.ListModels")
    assert refusal(json).code == "MissingAuthenticationTokenException"
    query = HttpRequest("GET", "/", "Action=ListRoles", Headers([("host", "h")]), ByteStream.of(b""))
    assert refusal(query).code == "MissingAuthenticationToken"


@pytest.mark.parametrize(
    "scheme", ["AWS AKIA:abc", "Bearer abc", "Basic abc", "AWS4-ECDSA-P256-SHA256 Credential=x"]
)
def test_other_schemes_are_named(scheme):
    request = with_header(signed("s3"), "authorization", scheme)
    assert scheme.split(" ")[0] in refusal(request).message


def test_only_one_mechanism():
    request = signed("s3", method="GET", data=b"", signer=S3SigV4QueryAuth, expires=60)
    request = with_header(request, "authorization", signed("s3").headers.get("authorization"))
    assert "Only one auth mechanism" in refusal(request).message


def test_window_of_other_services_is_five_minutes():
    assert authenticate(signed(), 280).account == ACCOUNT
    late = refusal(signed(), 400)
    early = refusal(signed("sts"), -400)
    assert (late.code, early.code) == ("InvalidSignatureException", "SignatureDoesNotMatch")
    assert late.message.startswith("Signature expired: ")
    assert "is now earlier than" in late.message
    assert "5 min" in late.message
    assert early.message.startswith("Signature not yet current: ")
    for error, skew in ((late, 400), (early, 400)):
        seconds = int(re.search(r"The clocks are (\d+) s apart", error.message)[1])
        assert abs(seconds - skew) <= 2
        assert (
            len(re.findall(r"\d{8}T\d{6}Z", error.message)) >= 3
        )  # the request's time, the bound, the server's


def test_window_of_s3_is_fifteen_minutes_and_the_skew_is_named():
    assert authenticate(signed("s3"), 800).account == ACCOUNT
    assert authenticate(signed("s3"), -800).account == ACCOUNT
    for offset in (1000, -1000):
        error = refusal(signed("s3"), offset)
        assert error.code == "RequestTimeTooSkewed"
        assert (
            "1000 s apart" in error.message
            or "999 s apart" in error.message
            or "1001 s apart" in error.message
        )


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_presigned_expiry(signer):
    make = lambda: signed("s3", method="GET", data=b"", url="http://h/b/k", signer=signer, expires=60)  # noqa: E731 - one line says it
    assert authenticate(make(), 50).account == ACCOUNT
    error = refusal(make(), 70)
    assert error.code == "AccessDenied"
    assert "Request has expired" in error.message


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "x", "", "1e3", "99999999999"])
def test_presigned_expiry_out_of_range(expires):
    request = signed("s3", method="GET", data=b"", signer=S3SigV4QueryAuth, expires=60)
    request.query_string = request.query_string.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    assert refusal(request).code == "AuthorizationQueryParametersError"


def test_presigned_in_the_future():
    request = signed("s3", method="GET", data=b"", signer=S3SigV4QueryAuth, expires=6000)
    assert "not valid yet" in refusal(request, -1000).message


@pytest.mark.parametrize(
    "parameter", ["X-Amz-Date", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-SignedHeaders"]
)
def test_presigned_parameters_are_there_once(parameter):
    request = signed("s3", method="GET", data=b"", signer=S3SigV4QueryAuth, expires=60)
    kept = [part for part in request.query_string.split("&") if not part.startswith(parameter)]
    absent = HttpRequest("GET", "/", "&".join(kept), request.headers, request.body)
    twice = HttpRequest("GET", "/", f"{request.query_string}&{parameter}=x", request.headers, request.body)
    for forged in (absent, twice):
        code = refusal(forged).code
        assert code == "AuthorizationQueryParametersError" or parameter == "X-Amz-Credential"


@pytest.mark.parametrize("parameter", ["AWSAccessKeyId", "Signature", "Expires"])
def test_v2_parameters_are_covered(parameter):
    request = signed("s3", method="GET", data=b"", signer=HmacV1QueryAuth, expires=60)
    parts = request.query_string.split("&")
    changed = [part + "9" if part.startswith(parameter) else part for part in parts]
    absent = [part for part in parts if not part.startswith(parameter)]
    for query in (changed, absent):
        refusal(HttpRequest("GET", request.path, "&".join(query), request.headers, request.body))


@pytest.mark.parametrize(
    "change",
    [
        lambda request: HttpRequest(
            "DELETE", request.path, request.query_string, request.headers, request.body
        ),
        lambda request: HttpRequest(
            "GET", "/bucket/other", request.query_string, request.headers, request.body
        ),
        lambda request: HttpRequest(
            "GET", request.path, request.query_string + "&versionId=1", request.headers, request.body
        ),
        lambda request: with_header(request, "x-amz-acl", "public-read"),
    ],
)
@pytest.mark.parametrize("signer", [S3SigV4Auth, S3SigV4QueryAuth, HmacV1QueryAuth])
def test_what_is_signed_cannot_be_changed(signer, change):
    options = {} if signer is S3SigV4Auth else {"expires": 60}
    request = signed("s3", method="GET", data=b"", url="http://h/bucket/key", signer=signer, **options)
    assert refusal(change(request)).code in {"SignatureDoesNotMatch", "AccessDenied"}


def test_unsigned_required_headers():
    added = with_header(signed("s3"), "x-amz-copy-source", "/other/secret")
    error = refusal(added)
    assert error.code == "AccessDenied"
    assert "x-amz-copy-source" in error.message
    request = signed("sagemaker")
    text = request.headers.get("authorization").replace("host;", "")
    assert "host" in refusal(with_header(request, "authorization", text)).message


def test_signed_header_that_did_not_come():
    request = signed("s3", headers={"X-Amz-Meta-A": ""})
    request.headers = Headers([field for field in request.headers.fields if field[0] != "x-amz-meta-a"])
    assert "x-amz-meta-a" in refusal(request).message


@pytest.mark.parametrize("part", [f"/{REGION}/", "/sagemaker/", "date"])
def test_scope_that_disagrees_with_the_signature(part):
    request = signed("sagemaker")
    text = request.headers.get("authorization")
    day = request.headers.get("x-amz-date")[:8]
    changed = {"date": text.replace(f"/{day}/", "/20200101/")}.get(part, text.replace(part, "/events/"))
    assert refusal(with_header(request, "authorization", changed)).code == "InvalidSignatureException"


def test_scope_that_disagrees_with_the_host():
    request = signed("sts", url="https://sts.us-west-2.amazonaws.com/")
    error = refusal(request)
    assert error.code == "SignatureDoesNotMatch"
    assert "us-west-2" in error.message


@pytest.mark.parametrize(
    "date", ["", "yesterday", "20240101T0000Z", "20241301T000000Z", "20240101T000000+01"]
)
def test_malformed_dates(date):
    assert refusal(with_header(signed(), "x-amz-date", date)).code == "IncompleteSignatureException"


# Bodies


async def _drain(body: ByteStream) -> bytes:
    return await body.read(10**6)


def test_s3_digest_is_checked_at_the_end_of_the_stream():
    request = signed("s3", method="PUT", data=b"content")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"cont"
        yield b"tent"

    request.body = ByteStream(pieces(), 8)

    seen: list[bytes] = []

    async def run() -> None:
        await Authenticator(KEYS.get, Shifted())(request)
        async for chunk in request.body:
            seen.append(chunk)  # noqa: PERF401 - the pieces before the error are the point

    with pytest.raises(ServiceError) as caught:
        asyncio.run(run())
    assert caught.value.code == "XAmzContentSHA256Mismatch"
    assert seen == [b"cont", b"tent"]


def test_s3_unsigned_payload():
    request = signed("s3", method="PUT", data=b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    assert (
        refusal(with_header(request, "x-amz-content-sha256", "UNSIGNED-PAYLOAD")).code
        == "SignatureDoesNotMatch"
    )
    assert request.headers.get("x-amz-content-sha256") == digest


@pytest.mark.parametrize("value", ["", "abc", "STREAMING-OTHER"])
def test_s3_payload_words(value):
    request = with_header(signed("s3", method="PUT"), "x-amz-content-sha256", value)
    with pytest.raises(ServiceError) as caught:
        authenticate(request)
    assert caught.value.status == 400


def test_large_body_is_refused_before_it_is_read():
    request = signed("sagemaker")

    async def never() -> AsyncIterator[bytes]:
        yield b"x" * (33 * 1024 * 1024)

    request.body = ByteStream(never(), 33 * 1024 * 1024)
    with pytest.raises(ServiceError) as caught:
        authenticate(request)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("service", "headers", "code"),
    [
        ("sagemaker", {"x-amz-target": "SageMaker.ListModels"}, "InvalidSignatureException"),
        ("monitoring", {"smithy-protocol": "rpc-v2-cbor"}, "InvalidSignatureException"),
        ("monitoring", {"content-type": "application/x-www-form-urlencoded"}, "SignatureDoesNotMatch"),
        ("sagemaker", {}, "InvalidSignatureException"),
        ("sts", {}, "SignatureDoesNotMatch"),
        ("s3", {}, "SignatureDoesNotMatch"),
    ],
)
def test_the_code_of_a_refusal_is_that_of_the_protocol(service, headers, code):
    request = signed(service, headers=headers)
    forged = with_header(request, "authorization", request.headers.get("authorization")[:-4] + "0000")

    with pytest.raises(ServiceError) as caught:
        authenticate(forged)

    assert (caught.value.status, caught.value.code) == (403, code)
