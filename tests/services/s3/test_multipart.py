"""Multipart uploads: any order, any size, all or nothing."""

import asyncio
import base64
import hashlib
import zlib

import pytest

from wildsage.core.errors import ServiceError
from wildsage.store.buckets import Buckets
from wildsage.store.objects import Objects

FIRST, SECOND, LAST = b"a" * (5 << 20), b"b" * (5 << 20), b"c" * 10


def begin(s3, key="key", **request):
    return s3("CreateMultipartUpload", Bucket="data", Key=key, **request)["UploadId"]


def part(s3, upload, number, body, **request):
    return s3(
        "UploadPart", Bucket="data", Key="key", UploadId=upload, PartNumber=number, Body=body, **request
    )


def finish(s3, upload, parts, **request):
    return s3(
        "CompleteMultipartUpload",
        Bucket="data",
        Key="key",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]},
        **request,
    )


def finish_refused(s3, upload, parts, **request):
    request["MultipartUpload"] = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
    return s3.refused("CompleteMultipartUpload", Bucket="data", Key="key", UploadId=upload, **request)


def md5(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


def test_parts_become_an_object(s3):
    upload = begin(s3, ContentType="a/b", Metadata={"m": "1"}, Tagging="t=1", StorageClass="STANDARD_IA")
    part(s3, upload, 9, LAST)
    part(s3, upload, 2, b"forgotten")
    part(s3, upload, 2, SECOND)
    part(s3, upload, 1, FIRST)
    part(s3, upload, 5, b"not listed")
    answer = finish(s3, upload, [(1, md5(FIRST)), (2, md5(SECOND)), (9, md5(LAST))])
    digests = b"".join(hashlib.md5(body).digest() for body in (FIRST, SECOND, LAST))
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert answer["Location"] == "http://127.0.0.1:8172/data/key"
    got = s3.get("key", Range="bytes=10485750-10485769")
    assert got["Body"] == SECOND[-10:] + LAST
    assert (got["ContentType"], got["Metadata"], got["TagCount"], got["StorageClass"]) == (
        "a/b", {"m": "1"}, 1, "STANDARD_IA",
    )  # fmt: skip
    second = s3.get("key", PartNumber=3)
    assert (second["Body"], second["PartsCount"], second["ContentRange"]) == (
        LAST, 3, "bytes 10485760-10485769/10485770",
    )  # fmt: skip
    assert len(s3.content_files()) == 3
    s3("DeleteObject", Bucket="data", Key="key")
    assert s3.content_files() == []


def test_a_completion_may_be_repeated(s3):
    upload = begin(s3)
    part(s3, upload, 1, LAST)
    first = finish(s3, upload, [(1, md5(LAST))])
    assert finish(s3, upload, [(1, md5(LAST))]) == first
    s3.put("key")
    assert finish_refused(s3, upload, [(1, md5(LAST))]).code == "NoSuchUpload"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([], "MalformedXML"),
        ([(2, md5(LAST)), (1, md5(b"small"))], "InvalidPartOrder"),
        ([(1, md5(b"small")), (1, md5(b"small"))], "InvalidPartOrder"),
        ([(3, md5(LAST))], "InvalidPart"),
        ([(1, md5(LAST))], "InvalidPart"),
        ([(1, md5(b"small")), (2, md5(LAST))], "EntityTooSmall"),
    ],
)
def test_bad_completions_change_nothing(s3, parts, code):
    upload = begin(s3)
    part(s3, upload, 1, b"small")
    part(s3, upload, 2, LAST)
    assert finish_refused(s3, upload, parts).code == code
    assert finish_refused(s3, upload, [(1, md5(b"small"))], MpuObjectSize=6).code == "InvalidRequest"
    assert len(s3("ListParts", Bucket="data", Key="key", UploadId=upload)["Parts"]) == 2
    finish(s3, upload, [(1, md5(b"small"))], MpuObjectSize=5)
    assert s3.get("key")["Body"] == b"small"


def test_conditional_completions(s3):
    s3.put("key")
    upload = begin(s3)
    part(s3, upload, 1, LAST)
    assert finish_refused(s3, upload, [(1, md5(LAST))], IfNoneMatch="*").status == 412
    finish(s3, upload, [(1, md5(LAST))], IfMatch=md5(b"content"))
    assert s3.get("key")["Body"] == LAST


def test_an_abort_leaves_nothing(s3):
    upload = begin(s3)
    part(s3, upload, 1, LAST)
    s3("AbortMultipartUpload", Bucket="data", Key="key", UploadId=upload)
    assert s3.content_files() == []
    for operation in ("AbortMultipartUpload", "ListParts", "CompleteMultipartUpload"):
        assert s3.refused(operation, Bucket="data", Key="key", UploadId=upload).code == "NoSuchUpload"
    request = {"Bucket": "data", "Key": "key", "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    assert s3.refused("UploadPart", **request).code == "NoSuchUpload"


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_have_bounds(s3, number):
    request = {"Bucket": "data", "Key": "key", "UploadId": begin(s3), "PartNumber": number, "Body": b"x"}
    assert s3.refused("UploadPart", **request).code == "InvalidArgument"


def test_composite_checksums(s3):
    upload = begin(s3, ChecksumAlgorithm="SHA256")
    sent = [part(s3, upload, number, body) for number, body in enumerate((FIRST, LAST), start=1)]
    assert sent[1]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(LAST).digest()).decode()
    request = {"Bucket": "data", "Key": "key", "UploadId": upload, "PartNumber": 3, "Body": b"x"}
    assert s3.refused("UploadPart", **request, ChecksumAlgorithm="CRC32").code == "InvalidRequest"
    joined = hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in (FIRST, LAST)))
    whole = f"{base64.b64encode(joined.digest()).decode()}-2"
    listed = [(1, md5(FIRST)), (2, md5(LAST))]
    wrong = base64.b64encode(bytes(32)).decode() + "-2"
    assert finish_refused(s3, upload, listed, ChecksumSHA256=wrong).code == "BadDigest"
    answer = finish(s3, upload, listed, ChecksumSHA256=whole)
    assert (answer["ChecksumSHA256"], answer["ChecksumType"]) == (whole, "COMPOSITE")
    got = s3.get("key", PartNumber=2, ChecksumMode="ENABLED")
    assert got["ChecksumSHA256"] == sent[1]["ChecksumSHA256"]
    names = ["ObjectParts"]
    attributes = s3("GetObjectAttributes", Bucket="data", Key="key", ObjectAttributes=names, MaxParts=1)
    assert attributes["ObjectParts"] == {
        "TotalPartsCount": 2,
        "PartNumberMarker": 0,
        "NextPartNumberMarker": 1,
        "MaxParts": 1,
        "IsTruncated": True,
        "Parts": [{"PartNumber": 1, "Size": len(FIRST), "ChecksumSHA256": sent[0]["ChecksumSHA256"]}],
    }


def test_full_object_checksums(s3):
    upload = begin(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    part(s3, upload, 1, FIRST)
    part(s3, upload, 2, LAST)
    answer = finish(s3, upload, [(1, md5(FIRST)), (2, md5(LAST))])
    assert answer["ChecksumCRC32"] == base64.b64encode(zlib.crc32(FIRST + LAST).to_bytes(4)).decode()
    assert s3.get("key", ChecksumMode="ENABLED")["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize(
    "request_",
    [
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumType": "FULL_OBJECT"},
    ],
)
def test_checksum_types_fit_their_algorithms(s3, request_):
    assert s3.refused("CreateMultipartUpload", Bucket="data", Key="key", **request_).code == "InvalidRequest"


def test_parts_are_copied(s3):
    s3.put("source", FIRST + LAST)
    upload = begin(s3)
    request = {"Bucket": "data", "Key": "key", "UploadId": upload, "CopySource": "data/source"}
    for number, span in ((1, f"bytes=0-{len(FIRST) - 1}"), (2, f"bytes={len(FIRST)}-{len(FIRST) + 9}")):
        s3("UploadPartCopy", **request, PartNumber=number, CopySourceRange=span)
    whole = s3("UploadPartCopy", **request, PartNumber=3)["CopyPartResult"]
    assert whole["ETag"] == md5(FIRST + LAST)
    finish(s3, upload, [(1, md5(FIRST)), (3, md5(FIRST + LAST))])
    assert s3.get("key")["Body"] == FIRST + FIRST + LAST
    for span in ("bytes=0-99999999", "bytes=5-1", "0-5", "bytes=0-1,3-4", f"bytes=0-{'9' * 5_000}"):
        request["UploadId"] = begin(s3)
        error = s3.refused("UploadPartCopy", **request, PartNumber=1, CopySourceRange=span)
        assert error.code == "InvalidArgument"


def test_parts_are_listed_in_pages(s3):
    upload = begin(s3)
    for number in (3, 1, 7):
        part(s3, upload, number, LAST)
    request = {"Bucket": "data", "Key": "key", "UploadId": upload}
    first = s3("ListParts", **request, MaxParts=2)
    assert ([entry["PartNumber"] for entry in first["Parts"]], first["IsTruncated"]) == ([1, 3], True)
    second = s3("ListParts", **request, PartNumberMarker=first["NextPartNumberMarker"])
    assert ([entry["PartNumber"] for entry in second["Parts"]], second["IsTruncated"]) == ([7], False)


def test_uploads_are_listed_in_pages(s3):
    keys = ["a", "a", "b/1", "b/2", "c"]
    ids = [begin(s3, key) for key in keys]
    listed, marker = [], {}
    while True:
        page = s3("ListMultipartUploads", Bucket="data", MaxUploads=2, **marker)
        listed += [(upload["Key"], upload["UploadId"]) for upload in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert [key for key, _ in listed] == keys
    assert sorted(upload for _, upload in listed) == sorted(ids)
    rolled = s3("ListMultipartUploads", Bucket="data", Delimiter="/", KeyMarker="a")
    assert [upload["Key"] for upload in rolled["Uploads"]] == ["c"]
    assert rolled["CommonPrefixes"] == [{"Prefix": "b/"}]
    behind = s3("ListMultipartUploads", Bucket="data", Delimiter="/", KeyMarker="b/", Prefix="b")
    assert (behind["Uploads"], behind["CommonPrefixes"]) == ([], [])


def test_the_sweep_keeps_parts_under_way(s3):
    upload = begin(s3)
    part(s3, upload, 1, LAST)
    s3.put_parts("other", [FIRST, LAST])

    later = Buckets(s3.buckets.database, Objects(s3.buckets.objects._folder), s3.buckets.clock)
    assert asyncio.run(later.sweep()) == 0
    later.objects.close()
    finish(s3, upload, [(1, md5(LAST))])
    assert s3.get("key")["Body"] == LAST


def test_an_object_has_a_largest_size(s3, monkeypatch):
    monkeypatch.setattr("wildsage.services.s3.multipart.LARGEST_OBJECT", 6)
    with pytest.raises(ServiceError) as caught:
        s3.put_parts("key", [b"content"])
    assert caught.value.code == "EntityTooLarge"
    assert s3.refused("HeadObject", Bucket="data", Key="key").code == "NoSuchKey"
