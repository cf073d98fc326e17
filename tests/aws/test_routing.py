import pytest
from tests.aws.support import request

from wildsage.aws.model import Catalogue
from wildsage.aws.routing import Router, decode_label

catalogue = Catalogue()
S3 = Router(catalogue.service("s3"), catalogue.service("s3").operation_names)


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", {}, "ListBuckets"),
        ("GET", "/bucket", {}, "ListObjects"),
        ("GET", "/bucket/", {}, "ListObjects"),
        ("GET", "/bucket?prefix=a&delimiter=/", {}, "ListObjects"),
        ("GET", "/bucket?list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/bucket?list-type=1", {}, "ListObjects"),
        ("GET", "/bucket?location", {}, "GetBucketLocation"),
        ("GET", "/bucket?location=", {}, "GetBucketLocation"),
        ("GET", "/bucket?uploads", {}, "ListMultipartUploads"),
        ("GET", "/bucket?versions", {}, "ListObjectVersions"),
        ("GET", "/bucket?analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/bucket?analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
        # Deprecated operations share the route of their successors.
        ("GET", "/bucket?lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("PUT", "/bucket?lifecycle", {}, "PutBucketLifecycleConfiguration"),
        ("GET", "/bucket?notification", {}, "GetBucketNotificationConfiguration"),
        ("PUT", "/bucket?notification", {}, "PutBucketNotificationConfiguration"),
        ("HEAD", "/bucket", {}, "HeadBucket"),
        ("PUT", "/bucket", {}, "CreateBucket"),
        ("PUT", "/bucket/", {}, "CreateBucket"),
        ("POST", "/bucket?delete", {}, "DeleteObjects"),
        ("GET", "/bucket/key", {}, "GetObject"),
        ("GET", "/bucket/key/", {}, "GetObject"),
        ("GET", "/bucket//", {}, "GetObject"),
        ("GET", "/bucket/key?versionId=1&response-content-type=text/csv", {}, "GetObject"),
        ("GET", "/bucket/key?uploadId=1", {}, "ListParts"),
        ("GET", "/bucket/key?tagging", {}, "GetObjectTagging"),
        ("GET", "/bucket/key?attributes", {}, "GetObjectAttributes"),
        ("HEAD", "/bucket/a/b", {}, "HeadObject"),
        ("PUT", "/bucket/key", {}, "PutObject"),
        ("PUT", "/bucket/key", {"x-amz-copy-source": "b/k"}, "CopyObject"),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u", {"x-amz-copy-source": "b/k"}, "UploadPartCopy"),
        ("POST", "/bucket/key?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/bucket/key?uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/bucket/key", {}, "DeleteObject"),
        ("DELETE", "/bucket/key?uploadId=u", {}, "AbortMultipartUpload"),
    ],
)
def test_s3_requests_find_their_operation(method, target, headers, operation):
    http = request(method, target, headers=headers)

    assert S3.match(http, http.path).operation == operation


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        ("/b/a/b/c", "b", "a/b/c"),
        ("/b/a%2Fb", "b", "a/b"),
        ("/b//a", "b", "/a"),
        ("/b/a/", "b", "a/"),
        ("/b/a//b", "b", "a//b"),
        ("/b/a+b%20c", "b", "a+b c"),
        ("/b/%E6%97%A5", "b", "日"),
        ("/b/%0A%00", "b", "\n\0"),
        ("/b/..", "b", ".."),
        ("/b/%25", "b", "%"),
    ],
)
def test_keys_are_taken_as_they_are(path, bucket, key):
    labels = S3.match(request("GET", path), path).labels

    assert {name: decode_label(text) for name, text in labels.items()} == {"Bucket": bucket, "Key": key}


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/b"), ("POST", "/"), ("GET", "relative"), ("PUT", "/")]
)
def test_what_no_route_fits_is_none(method, path):
    assert S3.match(request(method, path), path) is None


def test_keys_that_are_not_utf8_are_an_error():
    with pytest.raises(ValueError, match="utf-8"):
        decode_label("%ff")
