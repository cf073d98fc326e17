"""Object lock: what is kept stays, and says until when."""

import pytest

FAR = 4e9
LOCKED = {"Bucket": "locked", "Key": "key"}


@pytest.fixture
def locked(s3):
    s3(
        "CreateBucket",
        Bucket="locked",
        CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
        ObjectLockEnabledForBucket=True,
    )
    return s3


def put(s3, **request):
    return s3("PutObject", **LOCKED, Body=b"content", **request)["VersionId"]


def retain(s3, mode, until, **request):
    return s3("PutObjectRetention", **LOCKED, Retention={"Mode": mode, "RetainUntilDate": until}, **request)


def test_a_locked_bucket_keeps_versions(locked):
    assert locked("GetBucketVersioning", Bucket="locked") == {"Status": "Enabled"}
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
    assert locked.refused("PutBucketVersioning", Bucket="locked", **suspended).code == "InvalidBucketState"
    assert locked.refused("GetObjectLockConfiguration", Bucket="data").status == 404
    enabled = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    assert locked.refused("PutObjectLockConfiguration", Bucket="data", **enabled).status == 409


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_what_is_retained_cannot_be_deleted(locked, mode):
    version = put(locked, ObjectLockMode=mode, ObjectLockRetainUntilDate=FAR)
    assert locked("HeadObject", **LOCKED)["ObjectLockMode"] == mode
    target = {**LOCKED, "VersionId": version}
    assert locked.refused("DeleteObject", **target).code == "AccessDenied"
    entries = {"Objects": [{"Key": "key", "VersionId": version}]}
    answer = locked("DeleteObjects", Bucket="locked", Delete=entries)
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert locked("DeleteObject", **LOCKED)["DeleteMarker"]
    if mode == "COMPLIANCE":
        assert locked.refused("DeleteObject", **target, BypassGovernanceRetention=True).code == "AccessDenied"
    else:
        locked("DeleteObject", **target, BypassGovernanceRetention=True)


def test_a_retention_may_only_grow(locked):
    put(locked)
    retain(locked, "GOVERNANCE", FAR)
    retain(locked, "GOVERNANCE", FAR + 1)
    shorter = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": FAR}}
    assert locked.refused("PutObjectRetention", **LOCKED, **shorter).code == "AccessDenied"
    retain(locked, "GOVERNANCE", FAR, BypassGovernanceRetention=True)
    retain(locked, "COMPLIANCE", FAR, BypassGovernanceRetention=True)
    assert locked.refused("PutObjectRetention", **LOCKED, Retention={}).code == "AccessDenied"
    assert locked("GetObjectRetention", **LOCKED)["Retention"]["Mode"] == "COMPLIANCE"


def test_a_legal_hold_holds(locked):
    assert locked.refused("GetObjectLegalHold", **LOCKED).code == "NoSuchKey"
    version = put(locked)
    assert locked.refused("GetObjectLegalHold", **LOCKED).code == "NoSuchObjectLockConfiguration"
    locked("PutObjectLegalHold", **LOCKED, LegalHold={"Status": "ON"})
    refused = locked.refused("DeleteObject", **LOCKED, VersionId=version, BypassGovernanceRetention=True)
    assert refused.code == "AccessDenied"
    locked("PutObjectLegalHold", **LOCKED, LegalHold={"Status": "OFF"})
    locked("DeleteObject", **LOCKED, VersionId=version)


def test_the_default_retention_of_a_bucket(locked):
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    locked("PutObjectLockConfiguration", Bucket="locked", ObjectLockConfiguration=configuration)
    version = put(locked)
    until = locked("GetObjectRetention", **LOCKED)["Retention"]["RetainUntilDate"]
    assert until == pytest.approx(locked("HeadObject", **LOCKED)["LastModified"] + 86_400, abs=60)
    assert locked.refused("DeleteObject", **LOCKED, VersionId=version).code == "AccessDenied"


@pytest.mark.parametrize(
    ("retention", "code"),
    [
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidRetentionPeriod"),
        ({"Mode": "GOVERNANCE", "Years": 101}, "InvalidArgument"),
    ],
)
def test_bad_defaults(locked, retention, code):
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    request = {"Bucket": "locked", "ObjectLockConfiguration": rule}
    assert locked.refused("PutObjectLockConfiguration", **request).code == code


@pytest.mark.parametrize(
    ("bucket", "request_", "code"),
    [
        ("data", {"ObjectLockLegalHoldStatus": "ON"}, "InvalidRequest"),
        ("locked", {"ObjectLockMode": "GOVERNANCE"}, "InvalidArgument"),
        ("locked", {"ObjectLockMode": "x", "ObjectLockRetainUntilDate": FAR}, "InvalidArgument"),
        ("locked", {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 1.0}, "InvalidArgument"),
        ("locked", {"ObjectLockLegalHoldStatus": "on"}, "InvalidArgument"),
    ],
)
def test_bad_locks(locked, bucket, request_, code):
    assert locked.refused("PutObject", Bucket=bucket, Key="key", Body=b"", **request_).code == code
