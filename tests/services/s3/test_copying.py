"""Copies: what goes along, what is replaced, what is refused."""

import hashlib

import pytest


def copy(s3, source, key, **request):
    return s3("CopyObject", Bucket="data", Key=key, CopySource=source, **request)


@pytest.fixture
def source(s3):
    s3.put(
        "a b/ü",
        b"content",
        ContentType="a/b",
        Metadata={"m": "1"},
        Tagging="t=1",
        WebsiteRedirectLocation="/x",
    )
    return "data/a%20b/%C3%BC"


def test_a_copy_has_what_its_source_has(s3, source):
    result = copy(s3, f"/{source}?versionId=null", "copy")
    got = s3.get("copy")
    assert result["CopyObjectResult"]["ETag"] == got["ETag"]
    assert (got["Body"], got["ContentType"], got["Metadata"], got["TagCount"]) == (
        b"content",
        "a/b",
        {"m": "1"},
        1,
    )
    assert "WebsiteRedirectLocation" not in got
    assert len(s3.content_files()) == 1


def test_directives_replace(s3, source):
    copy(
        s3,
        source,
        "copy",
        MetadataDirective="REPLACE",
        ContentType="c/d",
        TaggingDirective="REPLACE",
        Tagging="u=2",
    )
    got = s3.get("copy")
    assert (got["ContentType"], got["Metadata"]) == ("c/d", {})
    assert s3("GetObjectTagging", Bucket="data", Key="copy")["TagSet"] == [{"Key": "u", "Value": "2"}]
    copy(s3, source, "copy", TaggingDirective="REPLACE")
    assert s3("GetObjectTagging", Bucket="data", Key="copy")["TagSet"] == []


def test_an_object_is_copied_to_itself_only_with_a_change(s3, source):
    error = s3.refused("CopyObject", Bucket="data", Key="a b/ü", CopySource=source)
    assert error.code == "InvalidRequest"
    copy(s3, source, "a b/ü", MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert (s3.get("a b/ü")["Metadata"], s3.get("a b/ü")["Body"]) == ({"n": "2"}, b"content")
    copy(s3, source, "a b/ü", StorageClass="GLACIER_IR")
    assert s3.get("a b/ü")["StorageClass"] == "GLACIER_IR"
    assert len(s3.content_files()) == 1


def test_a_copy_with_a_new_checksum_is_computed(s3, source):
    result = copy(s3, source, "copy", ChecksumAlgorithm="SHA1")["CopyObjectResult"]
    assert s3.get("copy", ChecksumMode="ENABLED")["ChecksumSHA1"] == result["ChecksumSHA1"]


def test_a_copy_of_parts_is_one_upload(s3):
    parts = [b"a" * (5 << 20), b"b"]
    s3.put_parts("large", parts)
    etag = copy(s3, "data/large", "copy")["CopyObjectResult"]["ETag"]
    assert etag == f'"{hashlib.md5(b"".join(parts)).hexdigest()}"'
    assert s3.get("copy")["Body"] == b"".join(parts)


def test_copies_cross_regions_but_not_owners(s3, source):
    s3("CreateBucket", Bucket="east", region="us-east-1")
    s3("CopyObject", Bucket="east", Key="copy", CopySource=source, region="us-east-1")
    assert s3("GetObject", Bucket="east", Key="copy", region="us-east-1")["Body"] == b"content"
    s3("CreateBucket", Bucket="theirs", region="us-east-1", account="999999999999")
    request = {"Bucket": "theirs", "Key": "copy", "CopySource": source, "region": "us-east-1"}
    assert s3.refused("CopyObject", **request, account="999999999999").code == "AccessDenied"
    error = s3.refused(
        "CopyObject", Bucket="data", Key="c", CopySource=source, ExpectedSourceBucketOwner="1" * 12
    )
    assert error.code == "AccessDenied"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"CopySource": "data"}, "InvalidArgument"),
        ({"CopySource": "arn:aws:s3:us-west-2:123456789012:accesspoint/a/object/b"}, "InvalidArgument"),
        ({"CopySource": "data/absent"}, "NoSuchKey"),
        ({"CopySource": "nowhere/key"}, "NoSuchBucket"),
        ({"CopySource": "data/a%20b/%C3%BC?versionId=x"}, "InvalidArgument"),
        ({"CopySourceIfMatch": "x"}, "PreconditionFailed"),
        ({"CopySourceIfNoneMatch": "*"}, "PreconditionFailed"),
        ({"CopySourceIfModifiedSince": 4e9}, "PreconditionFailed"),
        ({"CopySourceIfUnmodifiedSince": 1e9}, "PreconditionFailed"),
    ],
)
def test_what_cannot_be_copied(s3, source, changed, code):
    request = {"Bucket": "data", "Key": "copy", "CopySource": source, **changed}
    assert s3.refused("CopyObject", **request).code == code
    assert s3("ListObjectsV2", Bucket="data")["KeyCount"] == 1
