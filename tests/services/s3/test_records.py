"""Configuration that is kept as a record, and tags."""

import json

import pytest

RULE = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": False,
}
LIFECYCLE = {"Rules": [{"Status": "Enabled", "Expiration": {"Days": 1}, "Filter": {"Prefix": ""}}]}
CORS = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
POLICY = json.dumps(
    {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::data/*"}}
)
WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}
TAGS = [{"Key": "team", "Value": "red"}]


@pytest.mark.parametrize(
    ("what", "put", "get", "delete", "missing"),
    [
        ("BucketPolicy", {"Policy": POLICY}, None, "DeleteBucketPolicy", "NoSuchBucketPolicy"),
        (
            "BucketEncryption",
            {"ServerSideEncryptionConfiguration": {"Rules": [RULE]}},
            None,
            "DeleteBucketEncryption",
            None,
        ),
        (
            "PublicAccessBlock",
            {"PublicAccessBlockConfiguration": BLOCK},
            None,
            "DeletePublicAccessBlock",
            "NoSuchPublicAccessBlockConfiguration",
        ),
        (
            "BucketOwnershipControls",
            {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
            None,
            "DeleteBucketOwnershipControls",
            "OwnershipControlsNotFoundError",
        ),
        (
            "BucketCors",
            {"CORSConfiguration": {"CORSRules": CORS}},
            {"CORSRules": CORS},
            "DeleteBucketCors",
            "NoSuchCORSConfiguration",
        ),
        (
            "BucketLifecycleConfiguration",
            {"LifecycleConfiguration": LIFECYCLE},
            {
                "Rules": [{"ID": "rule-1", **LIFECYCLE["Rules"][0]}],
                "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
            },
            "DeleteBucketLifecycle",
            "NoSuchLifecycleConfiguration",
        ),
        (
            "BucketWebsite",
            {"WebsiteConfiguration": WEBSITE},
            WEBSITE,
            "DeleteBucketWebsite",
            "NoSuchWebsiteConfiguration",
        ),
        (
            "BucketTagging",
            {"Tagging": {"TagSet": TAGS}},
            {"TagSet": TAGS},
            "DeleteBucketTagging",
            "NoSuchTagSet",
        ),
    ],
)
def test_records_read_back(s3, what, put, get, delete, missing):
    s3(f"Put{what}", Bucket="data", **put)
    assert s3(f"Get{what}", Bucket="data") == (get or put)
    s3(delete, Bucket="data")
    if missing is None:
        rule = s3(f"Get{what}", Bucket="data")["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        return
    error = s3.refused(f"Get{what}", Bucket="data")
    assert (error.code, error.status) == (missing, 404)


def test_new_buckets_are_closed(s3):
    assert all(s3("GetPublicAccessBlock", Bucket="data")["PublicAccessBlockConfiguration"].values())
    rules = s3("GetBucketOwnershipControls", Bucket="data")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3("GetBucketVersioning", Bucket="data") == {}
    (grant,) = s3("GetBucketAcl", Bucket="data")["Grants"]
    assert grant["Permission"] == "FULL_CONTROL"


@pytest.mark.parametrize("policy", ["{", "[]", "{}", "[" * 20_000, "9" * 5_000])
def test_malformed_policies(s3, policy):
    assert s3.refused("PutBucketPolicy", Bucket="data", Policy=policy).code == "MalformedPolicy"


def test_one_rule_of_encryption(s3):
    rules = {"ServerSideEncryptionConfiguration": {"Rules": [RULE, RULE]}}
    assert s3.refused("PutBucketEncryption", Bucket="data", **rules).code == "MalformedXML"


def test_tags_of_an_object(s3):
    s3.put("key")
    etag = s3.get("key")["ETag"]
    s3("PutObjectTagging", Bucket="data", Key="key", Tagging={"TagSet": TAGS})
    assert s3("GetObjectTagging", Bucket="data", Key="key") == {"TagSet": TAGS}
    assert (s3.get("key")["TagCount"], s3.get("key")["ETag"]) == (1, etag)
    s3("DeleteObjectTagging", Bucket="data", Key="key")
    assert s3("GetObjectTagging", Bucket="data", Key="key") == {"TagSet": []}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": str(n), "Value": ""} for n in range(11)], "BadRequest"),
        ([{"Key": "", "Value": ""}], "InvalidTag"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidTag"),
        ([{"Key": "k", "Value": "v" * 257}], "InvalidTag"),
        ([{"Key": "aws:k", "Value": "v"}], "InvalidTag"),
        (TAGS * 2, "InvalidTag"),
    ],
)
def test_bad_tags(s3, tags, code):
    s3.put("key")
    request = {"Bucket": "data", "Key": "key", "Tagging": {"TagSet": tags}}
    assert s3.refused("PutObjectTagging", **request).code == code
