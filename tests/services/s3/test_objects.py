"""Objects stored and read, whole, in ranges, under conditions."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.core.errors import ServiceError
from wildsage.services.s3.conditions import parse_range

CONTENT = bytes(range(256)) * 40
ETAG = hashlib.md5(CONTENT).hexdigest()


def test_an_object_comes_back_as_it_was_put(s3):
    headers = {
        "ContentType": "text/csv",
        "CacheControl": "no-store",
        "ContentDisposition": "attachment",
        "ContentLanguage": "de",
        "Expires": 1_900_000_000.0,
        "Metadata": {"colour": "grün"},
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/elsewhere",
    }
    put = s3.put("a key/é", CONTENT, ContentEncoding="aws-chunked,gzip", Tagging="a=1&b=x%20y", **headers)
    assert put == {"ETag": f'"{ETAG}"', "ServerSideEncryption": "AES256"}
    got = s3.get("a key/é")
    assert got.pop("Body") == CONTENT
    assert got.pop("LastModified") <= s3.buckets.clock.now()
    assert got == {
        **headers,
        "AcceptRanges": "bytes",
        "ContentEncoding": "gzip",
        "ContentLength": len(CONTENT),
        "ETag": f'"{ETAG}"',
        "ServerSideEncryption": "AES256",
        "TagCount": 2,
    }
    head = s3("HeadObject", Bucket="data", Key="a key/é")
    del head["LastModified"]
    assert head == got


def test_an_object_without_headers_or_bytes(s3):
    s3("PutObject", Bucket="data", Key="empty", ContentEncoding="aws-chunked")
    got = s3.get("empty")
    assert (got["Body"], got["ContentLength"], got["ContentType"]) == (b"", 0, "binary/octet-stream")
    assert "ContentEncoding" not in got
    assert "HTTPStatusCode" not in got


def test_an_overwrite_replaces_everything(s3):
    s3.put("key", b"one", Metadata={"a": "b"}, Tagging="a=b")
    s3.put("key", b"two")
    got = s3.get("key")
    assert (got["Body"], got["Metadata"]) == (b"two", {})
    assert "TagCount" not in got
    assert len(s3.content_files()) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-9", (5, 5)),
        ("bytes=9990-99999", (9990, 250)),
        ("bytes=10000-", (10_000, 240)),
        ("bytes=-40", (10_200, 40)),
        ("bytes=-99999", (0, 10_240)),
    ],
)
def test_ranges(s3, header, expected):
    s3.put("key", CONTENT)
    start, length = expected
    for operation in ("GetObject", "HeadObject"):
        got = s3(operation, Bucket="data", Key="key", Range=header, ChecksumMode="ENABLED")
        assert got["HTTPStatusCode"] == 206
        assert got["ContentRange"] == f"bytes {start}-{start + length - 1}/10240"
        assert got["ContentLength"] == length
        assert got.get("Body", CONTENT[start : start + length]) == CONTENT[start : start + length]
        assert not any(name.startswith("Checksum") for name in got)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4",
        "bytes=9-5",
        "bytes=-",
        "lines=1-2",
        "bytes=a-b",
        "0-5",
        f"bytes={'9' * 5_000}-",
        f"bytes=0-{'9' * 5_000}",
    ],
)
def test_what_is_no_single_range_gives_the_whole(s3, header):
    s3.put("key", CONTENT)
    got = s3.get("key", Range=header)
    assert got["Body"] == CONTENT
    assert "ContentRange" not in got


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_ranges_beyond_the_end_are_416(s3, header):
    s3.put("key", CONTENT)
    error = s3.refused("GetObject", Bucket="data", Key="key", Range=header)
    assert (error.code, error.status, error.members["ActualObjectSize"]) == ("InvalidRange", 416, 10_240)


@given(st.integers(0, 50), st.integers(0, 60) | st.none(), st.integers(0, 60) | st.none())
@settings(max_examples=150)
def test_ranges_cut_like_python(size, first, last):
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    whole = list(range(size))
    if first is None:
        expected = None if last is None else whole[max(0, size - last) :]
    elif last is not None and last < first:
        expected = None
    else:
        expected = whole[first:] if last is None else whole[first : last + 1]
    try:
        found = parse_range(header, size)
    except ServiceError:
        assert expected == []
        return
    assert (None if found is None else whole[found[0] : found[0] + found[1]]) == expected
    assert expected != []


OTHER = '"' + "0" * 32 + '"'
LATER, EARLIER = 4e9, 1e9


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"IfMatch": f'"{ETAG}"'}, 200),
        ({"IfMatch": ETAG}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": f'{OTHER}, "{ETAG}"'}, 200),
        ({"IfMatch": OTHER}, 412),
        ({"IfMatch": f'"{ETAG}"', "IfUnmodifiedSince": EARLIER}, 200),
        ({"IfUnmodifiedSince": EARLIER}, 412),
        ({"IfUnmodifiedSince": LATER}, 200),
        ({"IfNoneMatch": f'W/"{ETAG}"'}, 304),
        ({"IfNoneMatch": OTHER}, 200),
        ({"IfNoneMatch": OTHER, "IfModifiedSince": LATER}, 200),
        ({"IfModifiedSince": LATER}, 304),
        ({"IfModifiedSince": EARLIER}, 200),
    ],
)
def test_conditional_reads(s3, conditions, status):
    s3.put("key", CONTENT)
    if status == 200:
        assert s3.get("key", **conditions)["Body"] == CONTENT
        return
    for operation in ("GetObject", "HeadObject"):
        error = s3.refused(operation, Bucket="data", Key="key", **conditions)
        assert error.status == status
        assert error.code == {412: "PreconditionFailed", 304: "NotModified"}[status]


def test_last_modified_counts_in_whole_seconds(s3):
    s3.put("key")
    seen = int(s3.get("key")["LastModified"])
    assert s3.refused("GetObject", Bucket="data", Key="key", IfModifiedSince=float(seen)).status == 304
    assert s3.get("key", IfUnmodifiedSince=float(seen))["Body"] == b"content"


def test_conditional_writes(s3):
    s3.put("key", b"one", IfNoneMatch="*")
    assert s3.refused("PutObject", Bucket="data", Key="key", Body=b"two", IfNoneMatch="*").status == 412
    assert s3.refused("PutObject", Bucket="data", Key="key", Body=b"two", IfMatch=OTHER).status == 412
    assert s3.refused("PutObject", Bucket="data", Key="new", Body=b"two", IfMatch=OTHER).code == "NoSuchKey"
    assert s3.get("key")["Body"] == b"one"
    assert len(s3.content_files()) == 1
    etag = s3.get("key")["ETag"]
    s3.put("key", b"two", IfMatch=etag)
    assert s3.refused("DeleteObject", Bucket="data", Key="key", IfMatch=etag).status == 412
    assert s3.get("key")["Body"] == b"two"


def test_response_overrides(s3):
    s3.put("key", ContentType="a/b")
    got = s3.get("key", ResponseContentType="c/d", ResponseContentDisposition="inline", ResponseExpires=5.0)
    assert (got["ContentType"], got["ContentDisposition"], got["Expires"]) == (
        "c/d",
        "inline",
        "Thu, 01 Jan 1970 00:00:05 GMT",
    )


def test_part_numbers_of_a_plain_object(s3):
    s3.put("key", b"content")
    got = s3.get("key", PartNumber=1)
    assert (got["Body"], got["HTTPStatusCode"], got["ContentRange"]) == (b"content", 206, "bytes 0-6/7")
    assert s3.refused("GetObject", Bucket="data", Key="key", PartNumber=2).status == 416
    assert (
        s3.refused("GetObject", Bucket="data", Key="key", PartNumber=1, Range="bytes=0-1").code
        == "InvalidRequest"
    )


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "GetObjectTagging", "GetObjectAcl"])
def test_missing_keys_and_versions(s3, operation):
    error = s3.refused(operation, Bucket="data", Key="absent")
    assert (error.code, error.status) == ("NoSuchKey", 404)
    s3.put("key")
    assert s3.refused(operation, Bucket="data", Key="key", VersionId="a" * 32).code == "NoSuchVersion"
    assert s3.refused(operation, Bucket="data", Key="key", VersionId="abc").code == "InvalidArgument"
    s3(operation, Bucket="data", Key="key", VersionId="null")


def test_deletes(s3):
    for key in ("a", "b", "c"):
        s3.put(key)
    assert s3("DeleteObject", Bucket="data", Key="absent") == {}
    entries = [{"Key": "a"}, {"Key": "absent"}, {"Key": "b", "VersionId": "x"}, {"Key": "c", "ETag": OTHER}]
    answer = s3("DeleteObjects", Bucket="data", Delete={"Objects": entries})
    assert answer["Deleted"] == [{"Key": "a"}, {"Key": "absent"}]
    assert {error["Key"]: error["Code"] for error in answer["Errors"]} == {
        "b": "InvalidArgument",
        "c": "PreconditionFailed",
    }
    quiet = s3(
        "DeleteObjects", Bucket="data", Delete={"Objects": [{"Key": "b"}, {"Key": "c"}], "Quiet": True}
    )
    assert quiet["Deleted"] is None
    assert s3.content_files() == []
    for count in (0, 1001):
        objects = [{"Key": str(number)} for number in range(count)]
        assert s3.refused("DeleteObjects", Bucket="data", Delete={"Objects": objects}).code == "MalformedXML"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Key": "k" * 1025}, "KeyTooLongError"),
        ({"Metadata": {"a": "b" * 2048}}, "MetadataTooLarge"),
        ({"StorageClass": "OUTPOSTS"}, "InvalidStorageClass"),
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"Tagging": "a=1&&b=2"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aes:kms"}, "InvalidArgument"),
        ({"Tagging": "&".join(f"k{n}=v" for n in range(11))}, "BadRequest"),
        ({"Tagging": "a=1&a=2"}, "InvalidTag"),
        ({"SSEKMSKeyId": "key"}, "InvalidArgument"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "key"}, "InvalidArgument"),
        ({"ContentMD5": "nonsense"}, "InvalidDigest"),
        ({"ContentMD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"Bucket": "nowhere"}, "NoSuchBucket"),
    ],
)
def test_bad_uploads_store_nothing(s3, request_, code):
    request = {"Bucket": "data", "Key": "key", "Body": b"content", **request_}
    assert s3.refused("PutObject", **request).code == code
    assert s3("ListObjectsV2", Bucket="data")["KeyCount"] == 0
    assert s3.content_files() == []


def test_encryption_is_echoed(s3):
    put = s3.put("key", ServerSideEncryption="aws:kms", SSEKMSKeyId="1234", BucketKeyEnabled=True)
    expected = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:us-west-2:123456789012:key/1234",
        "BucketKeyEnabled": True,
    }
    assert expected.items() <= put.items()
    assert expected.items() <= s3("HeadObject", Bucket="data", Key="key").items()


def test_the_bucket_sets_the_default_encryption(s3):
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}
    s3(
        "PutBucketEncryption",
        Bucket="data",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]},
    )
    put = s3.put("key")
    assert put["SSEKMSKeyId"] == "arn:aws:kms:us-west-2:123456789012:alias/mine"


def test_attributes(s3):
    s3.put("key", CONTENT, ChecksumAlgorithm="SHA256")
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    got = s3("GetObjectAttributes", Bucket="data", Key="key", ObjectAttributes=names)
    del got["LastModified"]
    sha256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert got == {
        "ETag": ETAG,
        "Checksum": {"ChecksumSHA256": sha256, "ChecksumType": "FULL_OBJECT"},
        "ObjectParts": None,
        "StorageClass": "STANDARD",
        "ObjectSize": 10_240,
    }
