"""boto3 against the service behind the gateway: the same bytes as on the wire, signatures verified."""

import hashlib
import io
import urllib.error
import urllib.request
import zlib
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.live import client

POLICY = (
    '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::data"}}'
)


def fetch(url, data=None, headers=(), method=None):
    request = urllib.request.Request(url, data, dict(headers), method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


def test_a_large_file_goes_up_and_comes_down(boto, tmp_path):
    content = bytes(range(256)) * 40_000 * 2
    (tmp_path / "up").write_bytes(content)
    boto.upload_file(str(tmp_path / "up"), "data", "large", ExtraArgs={"Metadata": {"a": "b"}})
    head = boto.head_object(Bucket="data", Key="large")
    assert head["ETag"].endswith('-3"')
    assert head["Metadata"] == {"a": "b"}
    boto.download_file("data", "large", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == content
    got = boto.get_object(Bucket="data", Key="large", ChecksumMode="ENABLED")
    assert got["Body"].read() == content
    boto.copy({"Bucket": "data", "Key": "large"}, "data", "copy")
    assert boto.head_object(Bucket="data", Key="copy")["ContentLength"] == len(content)


def test_a_range_is_206(boto):
    boto.put_object(Bucket="data", Key="key", Body=b"content")
    got = boto.get_object(Bucket="data", Key="key", Range="bytes=2-4")
    assert got["Body"].read() == b"nte"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == "bytes 2-4/7"


def test_responses_as_the_request_wants_them(boto):
    boto.put_object(Bucket="data", Key="key", Body=b"content", Expires=datetime(2030, 1, 1, tzinfo=UTC))
    asked = {"ResponseExpires": datetime(2031, 1, 1, tzinfo=UTC), "ResponseContentType": "a/b"}
    got = boto.get_object(Bucket="data", Key="key", **asked)
    assert (got["ContentType"], got["ExpiresString"]) == ("a/b", "Wed, 01 Jan 2031 00:00:00 GMT")
    plain = boto.head_object(Bucket="data", Key="key")
    assert plain["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"


def test_a_read_cannot_ask_for_encryption(boto):
    boto.put_object(Bucket="data", Key="key", Body=b"content")

    def ask(params, **_):
        params["headers"]["x-amz-server-side-encryption"] = "AES256"

    boto.meta.events.register("before-call.s3.HeadObject", ask)
    with pytest.raises(ClientError, match="400"):
        boto.head_object(Bucket="data", Key="key")
    boto.meta.events.unregister("before-call.s3.HeadObject", ask)


def test_members_cross_the_wire(boto):
    boto.put_object(
        Bucket="data", Key="a b/ü+", Body=io.BytesIO(b"content"), ContentType="a/b", Tagging="t=1", ServerSideEncryption="aws:kms"
    )  # fmt: skip
    got = boto.get_object(Bucket="data", Key="a b/ü+")
    assert (got["Body"].read(), got["ContentType"], got["TagCount"]) == (b"content", "a/b", 1)
    assert got["ServerSideEncryption"] == "aws:kms"
    assert got["ETag"] == f'"{hashlib.md5(b"content").hexdigest()}"'
    tags = boto.get_object_tagging(Bucket="data", Key="a b/ü+")["TagSet"]
    assert tags == [{"Key": "t", "Value": "1"}]
    boto.copy_object(Bucket="data", Key="copy", CopySource={"Bucket": "data", "Key": "a b/ü+"})
    keys = [entry["Key"] for entry in boto.list_objects_v2(Bucket="data")["Contents"]]
    assert keys == ["a b/ü+", "copy"]
    deleted = boto.delete_objects(Bucket="data", Delete={"Objects": [{"Key": key} for key in keys]})
    assert [entry["Key"] for entry in deleted["Deleted"]] == keys


@pytest.mark.parametrize(
    ("operation", "request_", "code", "status"),
    [
        ("get_object", {"Key": "absent"}, "NoSuchKey", 404),
        ("head_object", {"Key": "absent"}, "404", 404),
        ("head_bucket", {"Bucket": "nowhere"}, "404", 404),
        ("get_object", {"Key": "key", "IfNoneMatch": "*"}, "304", 304),
        ("get_object", {"Key": "key", "IfMatch": "x"}, "PreconditionFailed", 412),
        ("get_object", {"Key": "key", "Range": "bytes=99-"}, "InvalidRange", 416),
        ("head_bucket", {"ExpectedBucketOwner": "999999999999"}, "403", 403),
        ("get_bucket_policy", {}, "NoSuchBucketPolicy", 404),
    ],
)
def test_errors_cross_the_wire(boto, operation, request_, code, status):
    boto.put_object(Bucket="data", Key="key", Body=b"content")
    with pytest.raises(ClientError) as caught:
        getattr(boto, operation)(**{"Bucket": "data", **request_})
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def test_statuses_without_a_body(boto):
    answers = [
        boto.put_bucket_tagging(Bucket="data", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        boto.put_bucket_policy(Bucket="data", Policy=POLICY),
        boto.delete_object(Bucket="data", Key="absent"),
    ]
    assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [204, 204, 204]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(url, boto, version):
    signer = client("s3", url, config={"signature_version": version})
    target = {"Bucket": "data", "Key": "a b"}
    # Version 2 signs the content type, which urllib would make up.
    fetch(
        signer.generate_presigned_url("put_object", target), b"content", {"Content-Type": ""}.items(), "PUT"
    )
    assert fetch(signer.generate_presigned_url("get_object", target)) == b"content"
    forged = signer.generate_presigned_url("get_object", target).replace("a%20b", "c")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(forged)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_clients_find_buckets_of_other_regions(url, boto, region):
    boto.put_object(Bucket="data", Key="key", Body=b"content")
    other = client("s3", url, region=region)
    assert other.get_object(Bucket="data", Key="key")["Body"].read() == b"content"
    assert other.head_object(Bucket="data", Key="key")["ContentLength"] == 7
    assert other.head_bucket(Bucket="data")["BucketRegion"] == "us-west-2"


def test_a_redirect_without_a_body_says_the_region(url, boto):
    request = AWSRequest("HEAD", f"{url}/data/key", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "s3", "eu-west-1").add_auth(request)
    with pytest.raises(urllib.error.HTTPError, match="301") as caught:
        fetch(f"{url}/data/key", None, request.headers.items(), "HEAD")
    assert caught.value.headers["x-amz-bucket-region"] == "us-west-2"


class TrailingAuth(S3SigV4Auth):
    def payload(self, request):
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize(("content", "status"), [(b"content", 200), (b"CONTENT", 400)])
def test_an_aws_chunked_body_with_a_trailing_checksum(url, boto, content, status):
    checksum = b64encode(zlib.crc32(b"content").to_bytes(4)).decode()
    body = b"7\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (content, checksum.encode())
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "7",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-length": str(len(body)),
    }
    request = AWSRequest("PUT", f"{url}/data/key", headers, body)
    TrailingAuth(Credentials("AKIDEXAMPLE", "secret"), "s3", "us-west-2").add_auth(request)
    if status == 200:
        fetch(f"{url}/data/key", body, request.headers.items(), "PUT")
        got = boto.get_object(Bucket="data", Key="key", ChecksumMode="ENABLED")
        assert (got["Body"].read(), got["ChecksumCRC32"]) == (b"content", checksum)
        assert "ContentEncoding" not in got
        return
    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetch(f"{url}/data/key", body, request.headers.items(), "PUT")
    assert "Contents" not in boto.list_objects_v2(Bucket="data")
