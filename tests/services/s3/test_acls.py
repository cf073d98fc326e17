"""Access control lists are records, and only where a bucket has lists at all."""

import pytest

ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.fixture
def listed(s3):
    """A bucket ``data`` that allows lists, public ones too."""
    s3("DeletePublicAccessBlock", Bucket="data")
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3("PutBucketOwnershipControls", Bucket="data", OwnershipControls=rules)
    return s3


def shown(grants):
    return [(grant["Grantee"].get("URI"), grant["Permission"]) for grant in grants]


def test_lists_read_back(listed):
    listed("PutBucketAcl", Bucket="data", ACL="public-read")
    expected = [(ALL, "READ"), (None, "FULL_CONTROL")]
    assert shown(listed("GetBucketAcl", Bucket="data")["Grants"]) == expected
    listed.put("key", ACL="public-read")
    assert shown(listed("GetObjectAcl", Bucket="data", Key="key")["Grants"]) == expected
    listed("PutObjectAcl", Bucket="data", Key="key", ACL="private")
    assert shown(listed("GetObjectAcl", Bucket="data", Key="key")["Grants"]) == [(None, "FULL_CONTROL")]


def test_a_list_as_a_document(listed):
    owner = listed("GetBucketAcl", Bucket="data")["Owner"]
    grants = [{"Grantee": {"Type": "CanonicalUser", **owner}, "Permission": "READ"}]
    policy = {"Grants": grants, "Owner": owner}
    listed("PutBucketAcl", Bucket="data", AccessControlPolicy=policy)
    assert listed("GetBucketAcl", Bucket="data") == {"Owner": owner, "Grants": grants}
    stranger = [{"Grantee": {"Type": "CanonicalUser", "ID": "x"}, "Permission": "READ"}]
    request = {"Bucket": "data", "AccessControlPolicy": {"Grants": stranger, "Owner": owner}}
    assert listed.refused("PutBucketAcl", **request).code == "InvalidArgument"
    other = {"Bucket": "data", "AccessControlPolicy": {"Grants": grants, "Owner": {"ID": "x"}}}
    assert listed.refused("PutBucketAcl", **other).code == "AccessDenied"
    assert listed.refused("PutBucketAcl", Bucket="data").code == "MissingSecurityHeader"
    assert listed.refused("PutBucketAcl", Bucket="data", ACL="x").code == "InvalidArgument"


def test_new_buckets_have_no_lists(s3):
    refused = s3.refused("PutBucketAcl", Bucket="data", ACL="public-read")
    assert refused.code == "AccessControlListNotSupported"
    s3.put("key", ACL="bucket-owner-full-control")
    refused = s3.refused("PutObject", Bucket="data", Key="key", Body=b"", ACL="public-read")
    assert refused.code == "AccessControlListNotSupported"


def test_a_bucket_with_a_public_list_keeps_lists(listed):
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    listed("PutBucketAcl", Bucket="data", ACL="public-read")
    refused = listed.refused("PutBucketOwnershipControls", Bucket="data", OwnershipControls=enforced)
    assert refused.code == "InvalidBucketAclWithObjectOwnership"
    listed("PutBucketAcl", Bucket="data", ACL="private")
    listed("PutBucketOwnershipControls", Bucket="data", OwnershipControls=enforced)


def test_public_lists_are_blocked(s3):
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3("PutBucketOwnershipControls", Bucket="data", OwnershipControls=rules)
    assert s3.refused("PutBucketAcl", Bucket="data", ACL="public-read").code == "AccessDenied"
    refused = s3.refused("PutObject", Bucket="data", Key="key", Body=b"", ACL="authenticated-read")
    assert refused.code == "AccessDenied"
    assert s3.content_files() == []


@pytest.mark.parametrize(
    ("ownership", "code"),
    [
        ("BucketOwnerEnforced", "InvalidBucketAclWithObjectOwnership"),
        ("ObjectWriter", "InvalidBucketAclWithBlockPublicAccessError"),
    ],
)
def test_new_buckets_are_not_public(s3, ownership, code):
    request = {"ACL": "public-read", "ObjectOwnership": ownership}
    location = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    assert s3.refused("CreateBucket", Bucket="public", **location, **request).code == code
