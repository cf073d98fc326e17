"""aws-chunked bodies: decoded in constant memory, refused where a size, a signature or a trailer is wrong."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.aws.authentication import Authenticator
from wildsage.aws.chunked import decoded, verified
from wildsage.aws.http import Headers, HttpRequest
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.signing import ChunkSignatures, Scope, sign_request
from wildsage.core.streams import ByteStream, TrailingByteStream

KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "secret", None, "123456789012", "arn:aws:iam::123456789012:root")
SCOPE = Scope("20260101", "eu-west-1", "s3")
TIMESTAMP = "20260101T000000Z"


def chain() -> ChunkSignatures:
    return ChunkSignatures(KEY.secret_access_key, SCOPE, TIMESTAMP, "seed")


def signed_chunks(
    chunks: list[bytes], signatures: ChunkSignatures, trailer: tuple[str, str] | None = None
) -> bytes:
    body = b""
    for chunk in [*chunks, b""]:
        signature = signatures.of_chunk(hashlib.sha256(chunk).hexdigest())
        body += (
            f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
        )
    if trailer:
        body += f"{trailer[0]}:{trailer[1]}\r\nx-amz-trailer-signature:{signatures.of_trailer([trailer])}\r\n".encode()
    return body + b"\r\n"


def split(data: bytes, size: int) -> ByteStream:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return ByteStream(pieces())


def read(stream: ByteStream) -> bytes:
    async def run() -> bytes:
        return await stream.read(10**7)

    return asyncio.run(run())


def refusal(stream: ByteStream) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        read(stream)
    return caught.value


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=300), chunk_size=st.integers(1, 100), piece=st.integers(1, 64))
def test_unsigned_trailer_as_botocore_writes_it(content, chunk_size, piece):
    wrapper = AwsChunkedWrapper(
        io.BytesIO(content),
        checksum_cls=Crc32Checksum,
        checksum_name="x-amz-checksum-crc32",
        chunk_size=chunk_size,
    )
    stream = decoded(split(wrapper.read(), piece), len(content), frozenset({"x-amz-checksum-crc32"}), None)
    assert stream.trailers == {}
    assert read(stream) == content
    checksum = Crc32Checksum()
    checksum.update(content)
    assert stream.trailers == {"x-amz-checksum-crc32": checksum.b64digest()}


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=4), piece=st.integers(1, 64))
def test_signed_chunks(chunks, piece):
    content = b"".join(chunks)
    body = signed_chunks(chunks, chain())
    assert read(decoded(split(body, piece), len(content), frozenset(), chain())) == content


def test_signed_trailer():
    body = signed_chunks([b"abc"], chain(), ("x-amz-checksum-crc32", "NSRBwg=="))
    stream = decoded(split(body, 7), 3, frozenset({"x-amz-checksum-crc32"}), chain())
    assert read(stream) == b"abc"
    assert stream.trailers == {"x-amz-checksum-crc32": "NSRBwg=="}


def test_forged_chunks_and_trailers():
    body = signed_chunks([b"abc", b"def"], chain(), ("x-amz-checksum-crc32", "NSRBwg=="))
    announced = frozenset({"x-amz-checksum-crc32"})
    forgeries = [
        body.replace(b"abc", b"abd"),
        body.replace(b"NSRBwg==", b"NSRBwA=="),
        body.replace(b"chunk-signature=", b"chunk-signature=0", 1),
        body.replace(b";chunk-signature=", b";x=", 1),
        body.replace(b"x-amz-trailer-signature:", b"x-amz-trailer-signature:0"),
    ]
    for forged in forgeries:
        error = refusal(decoded(split(forged, 1000), 6, announced, chain()))
        assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


def test_swapped_chunks_break_the_chain():
    signatures = chain()
    head = [signatures.of_chunk(hashlib.sha256(chunk).hexdigest()) for chunk in (b"aa", b"bb")]
    body = f"2;chunk-signature={head[1]}\r\nbb\r\n2;chunk-signature={head[0]}\r\naa\r\n".encode()
    assert refusal(decoded(split(body, 100), 4, frozenset(), chain())).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "IncompleteBody"),
        (b"3\r\nab", "IncompleteBody"),
        (b"3\r\nabc\r\n", "IncompleteBody"),
        (b"3\r\nabc\r\n0\r\n", "IncompleteBody"),
        (b"2\r\nab\r\n0\r\n\r\n", "IncompleteBody"),
        (b"4\r\nabcd\r\n0\r\n\r\n", "IncompleteBody"),
        (b"ffffffffffffffff\r\nabc", "IncompleteBody"),
        (b"3\r\nabcd\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-3\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        (b"\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        (b"0x3\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        (b"3\r\nabc\r\n0\r\n\r\nmore", "InvalidRequest"),
        (b"3\r\nabc\r\n0\r\nno field\r\n\r\n", "InvalidRequest"),
        (b"3" * 40000, "InvalidRequest"),
        (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n", "MalformedTrailerError"),
    ],
)
def test_malformed_framing(body, code):
    error = refusal(decoded(split(body, 1000), 3, frozenset(), None))
    assert (error.code, error.status) == (code, 400)


def test_announced_trailer_must_come():
    stream = decoded(split(b"0\r\n\r\n", 100), 0, frozenset({"x-amz-checksum-crc32"}), None)
    assert refusal(stream).code == "MalformedTrailerError"


def test_verified_passes_and_refuses():
    assert read(verified(ByteStream.of(b"abc"), hashlib.sha256(b"abc").hexdigest())) == b"abc"
    assert refusal(verified(ByteStream.of(b"abd"), hashlib.sha256(b"abc").hexdigest())).status == 400


@pytest.mark.parametrize("with_trailer", [True, False])
def test_a_chunked_request_looks_plain_afterwards(with_trailer):
    clock = SystemClock()
    at = clock.now()
    headers = {
        "x-amz-decoded-content-length": "6",
        "content-encoding": "aws-chunked,gzip",
        "content-length": "999",
    }
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    if with_trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        payload += "-TRAILER"
    fields = sign_request(
        KEY, "PUT", "http://h/b/k", region="eu-west-1", at=at, headers=headers, payload_hash=payload
    )
    timestamp, seed = fields["x-amz-date"], fields["authorization"].rpartition("=")[2]
    signatures = ChunkSignatures(
        KEY.secret_access_key, Scope(timestamp[:8], "eu-west-1", "s3"), timestamp, seed
    )
    body = signed_chunks(
        [b"abc", b"def"], signatures, ("x-amz-checksum-crc32", "x") if with_trailer else None
    )
    request = HttpRequest("PUT", "/b/k", "", Headers(fields.items()), split(body, 10))

    async def run() -> bytes:
        await Authenticator(lambda _: KEY, clock)(request)
        return await request.body.read(100)

    assert asyncio.run(run()) == b"abcdef"
    assert isinstance(request.body, TrailingByteStream)
    assert request.body.trailers == ({"x-amz-checksum-crc32": "x"} if with_trailer else {})
    assert request.headers.get("content-length") == "6"
    assert request.headers.get("content-encoding") == "gzip"


def test_chunked_request_without_its_length():
    fields = sign_request(
        KEY,
        "PUT",
        "http://h/b/k",
        region="x",
        at=SystemClock().now(),
        payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    request = HttpRequest("PUT", "/b/k", "", Headers(fields.items()), ByteStream.of(b""))
    with pytest.raises(ServiceError) as caught:
        asyncio.run(Authenticator(lambda _: KEY, SystemClock())(request))
    assert caught.value.status == 411
