"""Names, regions, owners."""

import asyncio

import pytest

from wildsage.core.errors import ServiceError


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-a-",
        "a..b",
        "192.168.0.1",
        "xn--abc",
        "a-s3alias",
        "a b",
        "a/b",
        ".ab",
    ],
)
def test_bad_names_are_refused(empty, name):
    error = empty.refused("CreateBucket", Bucket=name, region="us-east-1")
    assert (error.code, error.status) == ("InvalidBucketName", 400)
    assert repr(name) in error.message
    assert empty("ListBuckets")["Buckets"] == []


@pytest.mark.parametrize(
    ("signed", "constraint", "expected"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "eu-central-1", "eu-central-1"),
        ("us-east-1", "EU", "eu-west-1"),
        ("us-west-2", "us-west-2", "us-west-2"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "atlantis", "InvalidLocationConstraint"),
        ("us-west-2", None, "IllegalLocationConstraintException"),
        ("us-west-2", "eu-central-1", "IllegalLocationConstraintException"),
    ],
)
def test_a_bucket_lies_where_the_constraint_says(empty, signed, constraint, expected):
    configuration = {} if constraint is None else {"LocationConstraint": constraint}
    request = {"Bucket": "data", "CreateBucketConfiguration": configuration, "region": signed}
    if expected.endswith(("Constraint", "Exception")):
        assert empty.refused("CreateBucket", **request).code == expected
        return
    empty("CreateBucket", **request)
    assert empty("HeadBucket", Bucket="data")["BucketRegion"] == expected
    location = empty("GetBucketLocation", Bucket="data")["LocationConstraint"]
    assert location == (None if expected == "us-east-1" else expected)


def test_one_of_many_creates_succeeds(empty):
    async def scenario():
        location = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
        creates = (empty.answer("CreateBucket", Bucket="data", **location) for _ in range(200))
        return await asyncio.gather(*creates, return_exceptions=True)

    answers = asyncio.run(scenario())
    errors = [answer for answer in answers if isinstance(answer, ServiceError)]
    assert len(errors) == 199
    assert {(error.code, error.status) for error in errors} == {("BucketAlreadyOwnedByYou", 409)}


def test_a_bucket_of_the_first_region_is_made_again(s3):
    for _ in range(2):
        s3("CreateBucket", Bucket="again", region="us-east-1")
    error = s3.refused("CreateBucket", Bucket="again", account="999999999999", region="us-east-1")
    assert error.code == "BucketAlreadyExists"


def test_names_are_global(s3):
    error = s3.refused("CreateBucket", Bucket="data", account="999999999999", region="us-east-1")
    assert (error.code, error.status) == ("BucketAlreadyExists", 409)


def test_buckets_are_listed_by_account_in_pages(s3):
    for name in ("data-1", "data-2", "other"):
        s3("CreateBucket", Bucket=name, region="us-east-1")
    s3("CreateBucket", Bucket="theirs", region="us-east-1", account="999999999999")
    names = [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]]
    assert names == ["data", "data-1", "data-2", "other"]
    first = s3("ListBuckets", MaxBuckets=2, Prefix="data")
    second = s3("ListBuckets", MaxBuckets=2, Prefix="data", ContinuationToken=first["ContinuationToken"])
    pages = [[bucket["Name"] for bucket in page["Buckets"]] for page in (first, second)]
    assert pages == [["data", "data-1"], ["data-2"]]
    assert second["ContinuationToken"] is None
    assert len(s3("ListBuckets", BucketRegion="us-west-2")["Buckets"]) == 1
    assert s3.refused("ListBuckets", ContinuationToken="?").code == "InvalidArgument"


@pytest.mark.parametrize("operation", ["HeadBucket", "ListObjectsV2", "GetBucketLocation", "DeleteBucket"])
def test_a_missing_bucket_is_404(empty, operation):
    error = empty.refused(operation, Bucket="nowhere")
    assert (error.code, error.status) == ("NoSuchBucket", 404)


@pytest.mark.parametrize("operation", ["HeadBucket", "ListObjectsV2", "PutObject", "DeleteBucket"])
def test_others_are_denied(s3, operation):
    request = {"Bucket": "data", "Key": "key"}
    for more in ({"account": "999999999999"}, {"ExpectedBucketOwner": "999999999999"}):
        error = s3.refused(operation, **request, **more)
        assert (error.code, error.status) == ("AccessDenied", 403)
    assert s3("HeadBucket", Bucket="data", ExpectedBucketOwner="123456789012")["BucketRegion"] == "us-west-2"


def test_other_regions_are_redirected(s3):
    error = s3.refused("GetObject", Bucket="data", Key="key", region="eu-west-1")
    assert (error.code, error.status) == ("PermanentRedirect", 301)
    assert error.members["Region"] == "us-west-2"
    assert s3("HeadBucket", Bucket="data", region="eu-west-1")["BucketRegion"] == "us-west-2"


def test_the_global_endpoint_serves_all_regions(s3):
    s3("PutObject", Bucket="data", Key="key", Body=b"content", region="us-east-1")
    assert s3("GetObject", Bucket="data", Key="key", region="us-east-1")["Body"] == b"content"


def test_only_empty_buckets_are_deleted(s3):
    s3.put("key")
    assert s3.refused("DeleteBucket", Bucket="data").code == "BucketNotEmpty"
    s3("DeleteObject", Bucket="data", Key="key")
    upload = s3("CreateMultipartUpload", Bucket="data", Key="key")["UploadId"]
    s3("UploadPart", Bucket="data", Key="key", UploadId=upload, PartNumber=1, Body=b"part")
    s3("DeleteBucket", Bucket="data")
    assert s3("ListBuckets")["Buckets"] == []
    assert s3.content_files() == []


def test_no_bucket_grants_access_by_lists(empty):
    error = empty.refused("CreateBucket", Bucket="data", ACL="public-read", region="us-east-1")
    assert error.code == "InvalidBucketAclWithObjectOwnership"
    namespace = empty.refused(
        "CreateBucket", Bucket="data", BucketNamespace="account-regional", region="us-east-1"
    )
    assert namespace.code == "InvalidArgument"
