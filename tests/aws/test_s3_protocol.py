"""What S3 does differently, as bytes."""

import pytest
from tests.aws.support import ask, gateway

from wildsage.core.errors import ServiceError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def answer(operation, response, method="GET", target="/bucket", **options):
    async def handler(_context, _request):
        if isinstance(response, Exception):
            raise response
        return response

    return ask(gateway({"s3": {operation: handler}}), method, target, service="s3", **options)


@pytest.mark.parametrize(("location", "text"), [("eu-west-1", "eu-west-1"), (None, "")])
def test_the_bucket_location_is_the_root_itself(location, text):
    _, _, body = answer("GetBucketLocation", {"LocationConstraint": location}, target="/bucket?location")

    root = f'<LocationConstraint xmlns="{NAMESPACE}">{text}</LocationConstraint>'
    assert body.decode() == f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'


@pytest.mark.parametrize(
    ("operation", "method", "target", "root"),
    [
        ("ListBuckets", "GET", "/", "ListAllMyBucketsResult"),
        ("ListObjects", "GET", "/b", "ListBucketResult"),
        ("ListObjectsV2", "GET", "/b?list-type=2", "ListBucketResult"),
        ("ListParts", "GET", "/b/k?uploadId=u", "ListPartsResult"),
        ("CreateMultipartUpload", "POST", "/b/k?uploads", "InitiateMultipartUploadResult"),
        ("CompleteMultipartUpload", "POST", "/b/k?uploadId=u", "CompleteMultipartUploadResult"),
        ("GetObjectTagging", "GET", "/b/k?tagging", "Tagging"),
    ],
)
def test_roots_have_the_names_of_the_reference(operation, method, target, root):
    _, headers, body = answer(operation, {}, method, target)

    assert body.decode().split("\n", 1)[1] == f'<{root} xmlns="{NAMESPACE}"></{root}>'
    assert headers["content-type"] == "application/xml"


def test_a_copy_has_its_result_as_root():
    response = {"CopyObjectResult": {"ETag": '"e"', "LastModified": 0.0}}

    _, _, body = answer("CopyObject", response, "PUT", "/b/k", headers={"x-amz-copy-source": "b/k"})

    assert "<CopyObjectResult" in body.decode()
    assert "<ETag>&quot;e&quot;</ETag>" in body.decode().replace('"e"', "&quot;e&quot;")
    assert "<LastModified>1970-01-01T00:00:00Z</LastModified>" in body.decode()


def test_an_error_names_resource_and_ids():
    error = ServiceError("no <key>", code="NoSuchKey", status=404, members={"Key": "a&b"})

    status, headers, body = answer("GetObject", error, target="/bucket/a&b")

    text = body.decode()
    assert status == 404
    assert "<Error><Code>NoSuchKey</Code><Message>no &lt;key&gt;</Message><Key>a&amp;b</Key>" in text
    assert "<Resource>/bucket/a&amp;b</Resource>" in text
    assert f"<RequestId>{headers['x-amz-request-id']}</RequestId>" in text
    assert f"<HostId>{headers['x-amz-id-2']}</HostId></Error>" in text


def test_members_that_are_headers_of_the_operation_travel_as_headers():
    error = ServiceError(
        "gone", code="NoSuchKey", status=404, members={"DeleteMarker": True, "VersionId": "v"}
    )

    _, headers, body = answer("GetObject", error, target="/bucket/key")

    assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", "v")
    assert b"DeleteMarker" not in body


@pytest.mark.parametrize(
    ("operation", "method", "target"), [("DeleteObject", "DELETE", "/b/k"), ("DeleteBucket", "DELETE", "/b")]
)
def test_deletions_answer_204_without_a_body(operation, method, target):
    status, _, body = answer(operation, {}, method, target)

    assert (status, body) == (204, b"")


def test_metadata_is_kept_by_lower_case_name():
    seen = []

    async def put(_context, request):
        seen.append(request["Metadata"])
        return {}

    headers = {"X-Amz-Meta-Some-Name": "v, w", "x-amz-meta-empty": ""}
    ask(gateway({"s3": {"PutObject": put}}), "PUT", "/b/k", service="s3", headers=headers)

    assert seen == [{"some-name": "v, w", "empty": ""}]


def test_characters_that_xml_does_not_have_are_references():
    response = {"Contents": [{"Key": "a\rb\x01c\nd"}]}

    _, _, body = answer("ListObjects", response)

    assert "<Key>a&#13;b&#1;c\nd</Key>" in body.decode()


def test_an_unsigned_version_2_request_is_read_as_s3():
    async def get(context, _request):
        return {"ContentType": context.region}

    application = gateway({"s3": {"GetObject": get}})

    status, headers, _ = ask(application, "GET", "/b/k?AWSAccessKeyId=AK&Expires=1&Signature=x")

    assert (status, headers["content-type"]) == (200, "us-east-1")
