"""Bucket policies: what is kept, what is refused, what is public."""

import json

import pytest

from wildsage.services.s3.policies import is_public

OBJECTS = "arn:aws:s3:::data/*"


def policy(**changes):
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        **changes,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{k: v for k, v in statement.items() if v}]})


@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({}, True),
        ({"Principal": {"AWS": ["*"]}}, True),
        ({"Principal": None, "NotPrincipal": {"AWS": "123456789012"}}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": "123456789012"}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Condition": {"StringEquals": {"s3:prefix": "x"}}}, True),
    ],
)
def test_what_is_public(changes, public):
    assert is_public(policy(**changes)) is public


def test_public_policies_are_blocked_until_they_are_not(s3):
    assert s3.refused("PutBucketPolicy", Bucket="data", Policy=policy()).code == "AccessDenied"
    s3("DeletePublicAccessBlock", Bucket="data")
    s3("PutBucketPolicy", Bucket="data", Policy=policy())
    assert s3("GetBucketPolicyStatus", Bucket="data") == {"PolicyStatus": {"IsPublic": True}}
    s3("PutBucketPolicy", Bucket="data", Policy=policy(Effect="Deny"))
    assert s3("GetBucketPolicyStatus", Bucket="data") == {"PolicyStatus": {"IsPublic": False}}
    s3("DeleteBucketPolicy", Bucket="data")
    assert s3.refused("GetBucketPolicyStatus", Bucket="data").code == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": "arn:aws:s3:::other/*"},
        {"Effect": "Maybe"},
        {"Principal": None, "NotPrincipal": {"AWS": "123456789012"}},
        {"Action": None},
        {"Principal": {"Nobody": "x"}},
        {"Sid": "x" * 21_000},
    ],
)
def test_malformed_policies(s3, changes):
    error = s3.refused("PutBucketPolicy", Bucket="data", Policy=policy(**changes))
    assert error.code == "MalformedPolicy"
