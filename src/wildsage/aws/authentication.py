"""Who sent a request: signatures of version 4 (header, presigned, aws-chunked) and S3's presigned version 2."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime

from wildsage.aws import refusals
from wildsage.aws.caller import Caller
from wildsage.aws.chunked import decoded, verified
from wildsage.aws.head import VARYING
from wildsage.aws.http import Headers, HttpRequest
from wildsage.aws.identify import host_of
from wildsage.aws.presigned_v2 import is_presigned_v2, verify_presigned_v2
from wildsage.aws.refusals import Dialect, dialect_of
from wildsage.aws.signed_request import Claim, read_again, read_header, read_query, unsupported
from wildsage.core.clock import Clock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.signing import (
    ALGORITHM,
    UNSIGNED_PAYLOAD,
    ChunkSignatures,
    Message,
    SignedText,
    canonical_forms,
    sign,
)
from wildsage.core.streams import ByteStream

FindKey = Callable[[str], AccessKey | None]

WINDOW_SECONDS = 300
S3_WINDOW_SECONDS = 900
LARGEST_BUFFERED_BODY = 32 * 1024 * 1024
"""Other services than S3 sign the digest of the body without sending it: the body is read first."""

_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_CHUNKS_AND_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_CHUNKED = frozenset({_SIGNED_CHUNKS, _SIGNED_CHUNKS_AND_TRAILER, _UNSIGNED_WITH_TRAILER})
_LARGE_ENOUGH_FOR_A_THREAD = 1024 * 1024


class Authenticator:
    """The step of the gateway that turns a request into a `Caller`, or refuses it with a 403.

    After it, the request looks as if it had been sent plainly: an aws-chunked body is decoded (its headers
    say so no more, and ``Content-Length`` is the decoded one), and a body with a signed digest is a stream
    that ends with an error unless the digest holds. So: commit nothing before the stream has ended.

    Parameters
    ----------
    find_key
        Returns what is known of an access key.
    clock
        Signatures hold for five minutes (S3: fifteen) around its time.
    """

    def __init__(self, find_key: FindKey, clock: Clock) -> None:
        self._find_key = find_key
        self._clock = clock

    async def __call__(self, request: HttpRequest) -> Caller:
        """Verify the signature of a request.

        Raises
        ------
        ServiceError
            With the code that AWS has for the reason, in the dialect of the service.
        """
        if request.head is not None and request.head.claim is not None:
            return await self._verify(request, read_again(request, request.head.claim))
        authorizations = request.headers.get_all("authorization")
        names = {name for name, _ in request.query()}
        presigned = "X-Amz-Algorithm" in names or "X-Amz-Signature" in names
        presigned_v2 = is_presigned_v2(names)
        if len(authorizations) + presigned + presigned_v2 > 1:
            raise unsupported(
                request,
                "Only one auth mechanism allowed: the Authorization header, X-Amz-Algorithm or Signature",
            )
        if presigned_v2:
            return verify_presigned_v2(request, self._find_key, self._clock.now())
        if presigned:
            return await self._verify(request, read_query(request))
        if not authorizations:
            raise refusals.missing(dialect_of(request, ""))
        if not authorizations[0].startswith(ALGORITHM + " "):
            raise unsupported(
                request,
                "The authorization mechanism you have provided is not supported. Please use"
                f" {ALGORITHM}, got {authorizations[0].split(' ')[0][:40]!r}",
            )
        return await self._verify(request, read_header(request, authorizations[0]))

    async def _verify(self, request: HttpRequest, claim: Claim) -> Caller:
        _check_scope(request, claim)
        _check_time(claim, self._clock.now())
        if request.head is None or request.head.claim is None:
            _check_signed_headers(request, claim)
        key = self._find_key(claim.access_key_id)
        if key is None:
            raise refusals.unknown_key(claim.dialect, claim.access_key_id)
        _check_token(claim, key)
        payload_hash = await _payload_hash(request, claim)
        _check_signature(request, claim, key, payload_hash)
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise refusals.expired_token(claim.dialect)
        _unwrap_body(request, claim, key, payload_hash)
        return Caller(key.account, key.principal_arn, claim.scope.service, claim.scope.region)


def _check_scope(request: HttpRequest, claim: Claim) -> None:
    """Hold the credential scope against what else the request says of its day and region."""
    scope = claim.scope
    if claim.timestamp[:8] != scope.date:
        raise refusals.wrong_scope(
            claim.dialect,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" {scope.date!r} != {claim.timestamp[:8]!r}, from {claim.timestamp!r}.",
        )
    region = host_of(request).region
    if region and region != scope.region:
        raise refusals.wrong_scope(
            claim.dialect,
            f"Credential should be scoped to a valid region: the region {scope.region!r} is wrong;"
            f" expecting {region!r}",
        )


def _check_time(claim: Claim, now: float) -> None:
    dialect = claim.dialect
    skew = claim.at - now
    window = S3_WINDOW_SECONDS if dialect is Dialect.S3 else WINDOW_SECONDS
    latest = claim.expires if claim.expires is not None else window
    if -latest <= skew <= window:
        return
    server, sent = _basic(now), claim.timestamp
    if claim.expires is not None and dialect is Dialect.S3:
        if -skew > latest:
            raise refusals.expired_url(
                dialect, f"Request has expired: signed at {sent} for {latest} s, and it is {server}"
            )
        raise refusals.expired_url(dialect, f"Request is not valid yet: signed at {sent}, and it is {server}")
    if dialect is Dialect.S3:
        raise refusals.wrong_time(
            dialect,
            "The difference between the request time and the current time is too large:"
            f" the request says {sent}, the server has {server}, {abs(skew):.0f} s apart; {window} s are allowed."
            " Set the clock of the client",
        )
    if -skew > latest:
        raise refusals.wrong_time(
            dialect,
            f"Signature expired: {sent} is now earlier than {_basic(now - latest)} ({server} - {_span(latest)}.)"
            f" {_apart(skew)}",
        )
    raise refusals.wrong_time(
        dialect,
        f"Signature not yet current: {sent} is still later than {_basic(now + window)} ({server} + {_span(window)}.)"
        f" {_apart(skew)}",
    )


def _basic(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def _apart(skew: float) -> str:
    return f"The clocks are {abs(skew):.0f} s apart: set the clock of the client"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def _check_signed_headers(request: HttpRequest, claim: Claim) -> None:
    """See to it that nobody added, on the way, a header field that changes what the request means."""
    required = {name for name, _ in request.headers.fields if name.startswith("x-amz-")}
    required.add("host")
    unsigned = sorted(required.difference(claim.signed_headers))
    if unsigned:
        raise refusals.unsigned_headers(claim.dialect, unsigned)
    absent = [name for name in claim.signed_headers if name not in request.headers]
    if absent:
        raise refusals.absent_headers(claim.dialect, absent)


def _check_signature(request: HttpRequest, claim: Claim, key: AccessKey, payload_hash: str) -> None:
    head = request.head
    known = None if head is None else head.signed
    if known is not None and _is_signed(known.filled(request.headers.first, payload_hash), claim, key):
        return
    message = Message(
        request.method,
        request.path,
        request.query_string,
        request.headers.fields,
        claim.signed_headers,
        payload_hash,
    )
    likely, *others = canonical_forms(message, claim.scope.service)
    if _is_signed(likely, claim, key):
        if head is not None:
            head.claim, head.signed = claim, SignedText(message, claim.scope.service, VARYING)
    elif not any(_is_signed(text, claim, key) for text in others):
        raise refusals.mismatch(claim.dialect)


def _is_signed(text: str, claim: Claim, key: AccessKey) -> bool:
    signature = sign(key.secret_access_key, claim.scope, claim.timestamp, text)
    return hmac.compare_digest(signature.encode(), claim.signature.encode())


def _check_token(claim: Claim, key: AccessKey) -> None:
    """Compare the session token: a temporary key needs its own, a long-term key has none."""
    given, expected = (claim.session_token or "").encode(), (key.session_token or "").encode()
    if not hmac.compare_digest(given, expected):
        raise refusals.invalid_token(claim.dialect)


async def _payload_hash(request: HttpRequest, claim: Claim) -> str:
    """Return the word in the signature that stands for the body."""
    if claim.dialect is Dialect.S3:
        return _s3_payload_hash(request, claim)
    stated = request.headers.get("x-amz-content-sha256")
    if stated == UNSIGNED_PAYLOAD or stated in _CHUNKED:
        return stated
    body = await _read_body(request)
    request.body = ByteStream.of(body)
    large = len(body) > _LARGE_ENOUGH_FOR_A_THREAD
    actual = await asyncio.to_thread(_sha256, body) if large else _sha256(body)
    if stated and not hmac.compare_digest(stated.encode(), actual.encode()):
        raise refusals.mismatch(claim.dialect)
    return actual


async def _read_body(request: HttpRequest) -> bytes:
    try:
        # What says beforehand that it is too large is not read at all.
        return await request.body.read(
            0 if (request.body.length or 0) > LARGEST_BUFFERED_BODY else LARGEST_BUFFERED_BODY
        )
    except ValueError:
        raise ServiceError(
            f"The request body is larger than {LARGEST_BUFFERED_BODY} bytes, the limit of this service:"
            " send large data through S3",
            code="RequestEntityTooLargeException",
            status=413,
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _s3_payload_hash(request: HttpRequest, claim: Claim) -> str:
    stated = request.headers.get("x-amz-content-sha256")
    if not stated and claim.expires is not None:
        return dict(request.query()).get("X-Amz-Content-Sha256", UNSIGNED_PAYLOAD)
    if not stated:
        raise ServiceError(
            "Missing required header for this request: x-amz-content-sha256",
            code="InvalidRequest",
            status=400,
        )
    if stated != UNSIGNED_PAYLOAD and stated not in _CHUNKED and not re.fullmatch(r"[0-9a-f]{64}", stated):
        raise ServiceError(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a lower-case hex SHA-256, or one of"
            f" {', '.join(sorted(_CHUNKED))}; got {stated[:100]!r}",
            code="InvalidArgument",
            status=400,
        )
    return stated


def _unwrap_body(request: HttpRequest, claim: Claim, key: AccessKey, payload_hash: str) -> None:
    """Put the stream in place that the handler reads."""
    if payload_hash in _CHUNKED:
        signatures = None
        if payload_hash != _UNSIGNED_WITH_TRAILER:
            signatures = ChunkSignatures(key.secret_access_key, claim.scope, claim.timestamp, claim.signature)
        length = _decoded_length(request)
        announced = frozenset(
            name.strip().lower()
            for value in request.headers.get_all("x-amz-trailer")
            for name in value.split(",")
            if name.strip()
        )
        request.body = decoded(request.body, length, announced, signatures)
        request.headers = _plain_headers(request.headers, length)
    elif claim.dialect is Dialect.S3 and payload_hash != UNSIGNED_PAYLOAD:
        request.body = verified(request.body, payload_hash)


def _decoded_length(request: HttpRequest) -> int:
    text = request.headers.get("x-amz-decoded-content-length")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ServiceError(
            "You must provide the Content-Length HTTP header: an aws-chunked body needs a number in"
            f" x-amz-decoded-content-length, got {text[:40]!r}",
            code="MissingContentLength",
            status=411,
        )
    return int(text)


def _plain_headers(headers: Headers, length: int) -> Headers:
    """Return the header fields as they would be without the encoding."""
    fields: list[tuple[str, str]] = []
    for name, value in headers.fields:
        if name == "content-encoding":
            kept = [coding.strip() for coding in value.split(",") if coding.strip().lower() != "aws-chunked"]
            if kept:
                fields.append((name, ", ".join(kept)))
        elif name != "content-length":
            fields.append((name, value))
    return Headers([*fields, ("content-length", str(length))])
