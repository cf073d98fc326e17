"""What S3 does differently, as bytes."""

import pytest
from tests.aws.support import ask, gateway
from tests.live import client, serve

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


@pytest.fixture(scope="module")
def apart():
    """An S3 client; what it signs for hosts of their own comes here all the same."""

    async def directories(_context, _request):
        return {"Buckets": [{"Name": "b--usw2-az1--x-s3"}]}

    async def buckets(_context, _request):
        return {"Buckets": [{"Name": "general"}]}

    async def write(_context, request):
        assert (request["RequestRoute"], await request["Body"].read(100)) == ("r", b"x")
        return {}

    handlers = {"ListDirectoryBuckets": directories, "ListBuckets": buckets, "WriteGetObjectResponse": write}
    with serve(gateway({"s3": handlers})) as url:
        yield client("s3", url, config={"inject_host_prefix": False})


def test_directory_buckets_are_listed_on_a_host_of_their_own(apart):
    assert apart.list_directory_buckets()["Buckets"][0]["Name"] == "b--usw2-az1--x-s3"
    assert apart.list_buckets()["Buckets"][0]["Name"] == "general"


def test_the_response_of_an_object_lambda_is_written_on_a_host_of_its_own(apart):
    apart.write_get_object_response(RequestRoute="r", RequestToken="t", Body=b"x")
    # Signed for S3 itself, the same path is a bucket's.
    status, _, body = answer("WriteGetObjectResponse", {}, "POST", "/WriteGetObjectResponse")
    assert (status, b"UnknownOperationException" in body) == (404, True)


@pytest.mark.parametrize(
    ("service", "method", "target"),
    [("s3express", "PUT", "/bucket--usw2-az1--x-s3"), ("s3-object-lambda", "GET", "/key")],
)
def test_other_operations_of_those_hosts_are_not_taken_for_the_ones_of_s3(service, method, target):
    status, _, body = ask(gateway({"s3": {"CreateBucket": None}}), method, target, service=service)

    assert status == 400
    assert b"<Code>NotImplementedException</Code>" in body
    assert f"signed for {service}".encode() in body
