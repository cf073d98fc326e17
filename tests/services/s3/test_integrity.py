"""Checksums, in headers and behind the body."""

import asyncio
import base64
import hashlib
import zlib

import pytest

from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream, TrailingByteStream

CRC32 = base64.b64encode(zlib.crc32(b"content").to_bytes(4)).decode()
SHA256 = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
OTHER_SHA256 = base64.b64encode(bytes(32)).decode()


def trailing(trailers):
    filled = {}

    async def chunks():
        yield b"con"
        yield b"tent"
        filled.update(trailers)

    return TrailingByteStream(chunks(), 7, filled)


def test_a_checksum_in_a_header_is_kept(s3):
    put = s3.put("key", ChecksumCRC32=CRC32, ChecksumAlgorithm="CRC32")
    assert (put["ChecksumCRC32"], put["ChecksumType"]) == (CRC32, "FULL_OBJECT")
    assert s3.get("key", ChecksumMode="ENABLED")["ChecksumCRC32"] == CRC32
    assert "ChecksumCRC32" not in s3.get("key")
    listed = s3("ListObjectsV2", Bucket="data")["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (["CRC32"], "FULL_OBJECT")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5"])
def test_every_algorithm_is_computed_and_verified(s3, algorithm):
    text = s3.put("key", ChecksumAlgorithm=algorithm)[f"Checksum{algorithm}"]
    assert s3.put("key", **{f"Checksum{algorithm}": text})[f"Checksum{algorithm}"] == text
    wrong = base64.b64encode(bytes(len(base64.b64decode(text)))).decode()
    error = s3.refused(
        "PutObject", Bucket="data", Key="new", Body=b"content", **{f"Checksum{algorithm}": wrong}
    )
    assert (error.code, error.status) == ("BadDigest", 400)
    assert len(s3.content_files()) == 1


@pytest.mark.parametrize("announced", [{"ChecksumAlgorithm": "SHA256"}, {}])
def test_a_trailing_checksum(s3, announced):
    put = s3.put("key", trailing({"x-amz-checksum-sha256": SHA256}), **announced)
    assert put["ChecksumSHA256"] == SHA256
    body = trailing({"x-amz-checksum-sha256": OTHER_SHA256})
    assert s3.refused("PutObject", Bucket="data", Key="new", Body=body, **announced).code == "BadDigest"
    assert len(s3.content_files()) == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"ChecksumCRC32": "AAAA"},
        {"ChecksumCRC32": "?"},
        {"ChecksumCRC32": CRC32, "ChecksumSHA256": SHA256},
        {"ChecksumAlgorithm": "XXHASH3"},
        {"Body": trailing({"x-amz-checksum-xxhash3": "AAAAAAAAAAA="})},
        {"Body": trailing({"x-amz-checksum-sha256": "short"})},
    ],
)
def test_impossible_checksums_are_invalid(s3, request_):
    request = {"Bucket": "data", "Key": "key", "Body": b"content", **request_}
    assert s3.refused("PutObject", **request).code == "InvalidRequest"
    assert s3.content_files() == []


def test_a_short_body_is_incomplete(s3):
    async def chunks():
        yield b"half"

    request = {"Bucket": "data", "Key": "key", "Body": ByteStream(chunks(), 8)}
    assert s3.refused("PutObject", **request).code == "IncompleteBody"


def test_too_large_a_body_is_not_read(s3):
    async def chunks():
        pytest.fail("the body was read")
        yield b""

    async def scenario():
        body = ByteStream(chunks(), 5 * 1024**3 + 1)
        with pytest.raises(ServiceError) as caught:
            await s3.answer("PutObject", Bucket="data", Key="key", Body=body)
        assert caught.value.code == "EntityTooLarge"

    asyncio.run(scenario())
