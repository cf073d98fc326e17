"""Versions against a simple model: a list of versions for each key, the newest first."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = ("a", "b/1", "b/2")
_NAMES = itertools.count()


def enable(s3, status="Enabled", bucket="data"):
    s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": status})


def listed(s3, bucket="data", **request):
    """Return (key, version, body or None for a marker, is latest) of every version, page by page."""
    found = []
    while True:
        page = s3("ListObjectVersions", Bucket=bucket, **request)
        rows = [(row, False) for row in page["Versions"]] + [(row, True) for row in page["DeleteMarkers"]]
        found += [(row["Key"], row["VersionId"], marker, row["IsLatest"]) for row, marker in rows]
        if not page["IsTruncated"]:
            return found
        request |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def test_versioning_begins_and_is_suspended(s3):
    assert s3("GetBucketVersioning", Bucket="data") == {}
    assert "VersionId" not in s3.put("key")
    for status in ("Enabled", "Suspended"):
        enable(s3, status)
        assert s3("GetBucketVersioning", Bucket="data") == {"Status": status}
    assert s3.get("key")["VersionId"] == "null"


def test_a_second_factor_is_refused(s3):
    wanted = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert (
        s3.refused("PutBucketVersioning", Bucket="data", VersioningConfiguration=wanted).code
        == "InvalidRequest"
    )
    assert s3("GetBucketVersioning", Bucket="data") == {}
    s3("PutBucketVersioning", Bucket="data", VersioningConfiguration={**wanted, "MFADelete": "Disabled"})
    nothing = s3.refused("PutBucketVersioning", Bucket="data", VersioningConfiguration={})
    assert nothing.code == "IllegalVersioningConfigurationException"


def test_overwritten_and_deleted_versions_stay(s3):
    s3.put("key", b"zero")
    enable(s3)
    one = s3.put("key", b"one")["VersionId"]
    assert s3.get("key")["VersionId"] == one
    assert s3.get("key", VersionId="null")["Body"] == b"zero"
    deleted = s3("DeleteObject", Bucket="data", Key="key")
    assert deleted["DeleteMarker"]
    missing = s3.refused("GetObject", Bucket="data", Key="key")
    assert (missing.code, missing.members["DeleteMarker"]) == ("NoSuchKey", True)
    marker = s3.refused("HeadObject", Bucket="data", Key="key", VersionId=deleted["VersionId"])
    assert (marker.code, marker.status) == ("MethodNotAllowed", 405)
    assert s3.get("key", VersionId=one)["Body"] == b"one"
    assert s3("ListObjectsV2", Bucket="data")["Contents"] == []
    gone = s3("DeleteObject", Bucket="data", Key="key", VersionId=deleted["VersionId"])
    assert gone == {"VersionId": deleted["VersionId"], "DeleteMarker": True}
    assert s3.get("key")["Body"] == b"one"
    s3("DeleteObject", Bucket="data", Key="key", VersionId=one)
    assert s3.get("key")["Body"] == b"zero"
    assert s3("DeleteObject", Bucket="data", Key="key", VersionId=one) == {"VersionId": one}
    assert len(s3.content_files()) == 1


def test_a_bucket_with_versions_is_not_empty(s3):
    enable(s3)
    s3.put("key")
    s3("DeleteObject", Bucket="data", Key="key")
    assert s3.refused("DeleteBucket", Bucket="data").code == "BucketNotEmpty"
    entries = [{"Key": key, "VersionId": version} for key, version, *_ in listed(s3)]
    answer = s3("DeleteObjects", Bucket="data", Delete={"Objects": entries})
    assert [entry.get("DeleteMarker") for entry in answer["Deleted"]] == [None, True]
    s3("DeleteBucket", Bucket="data")
    assert s3.content_files() == []


def test_copies_of_versions(s3):
    enable(s3)
    old = s3.put("key", b"old")["VersionId"]
    s3.put("key", b"new")
    copied = s3("CopyObject", Bucket="data", Key="key", CopySource=f"data/key?versionId={old}")
    assert copied["CopySourceVersionId"] == old
    assert s3.get("key")["VersionId"] == copied["VersionId"]
    assert s3.get("key")["Body"] == b"old"
    assert len(s3.content_files()) == 2  # the copy shares its content
    marker = s3("DeleteObject", Bucket="data", Key="key")["VersionId"]
    source = f"data/key?versionId={marker}"
    assert s3.refused("CopyObject", Bucket="data", Key="other", CopySource=source).code == "InvalidRequest"
    assert s3.refused("CopyObject", Bucket="data", Key="other", CopySource="data/key").code == "NoSuchKey"


def test_multipart_uploads_make_versions(s3):
    enable(s3)
    versions = [s3.put_parts("key", [b"first"])["VersionId"], s3.put_parts("key", [b"second"])["VersionId"]]
    assert [s3.get("key", VersionId=version)["Body"] for version in versions] == [b"first", b"second"]


def test_tags_belong_to_a_version(s3):
    enable(s3)
    old = s3.put("key", Tagging="a=1")["VersionId"]
    new = s3.put("key")["VersionId"]
    tags = {"TagSet": [{"Key": "b", "Value": "2"}]}
    answer = s3("PutObjectTagging", Bucket="data", Key="key", VersionId=old, Tagging=tags)
    assert answer["VersionId"] == old
    assert s3("GetObjectTagging", Bucket="data", Key="key") == {"TagSet": [], "VersionId": new}
    assert s3("GetObjectTagging", Bucket="data", Key="key", VersionId=old) == {**tags, "VersionId": old}


def test_a_marker_that_was_removed_meanwhile(s3):
    enable(s3)
    for _ in range(3):
        s3.put("key")
    first = s3("ListObjectVersions", Bucket="data", MaxKeys=1)
    s3("DeleteObject", Bucket="data", Key="key", VersionId=first["NextVersionIdMarker"])
    rest = listed(s3, KeyMarker="key", VersionIdMarker=first["NextVersionIdMarker"])
    assert len(rest) == 2
    assert s3.refused("ListObjectVersions", Bucket="data", VersionIdMarker="null").code == "InvalidArgument"
    assert listed(s3, KeyMarker="key") == []


def test_conditions_see_the_current_version_alone(s3):
    enable(s3)
    etag = s3.put("key", b"one")["ETag"]
    s3.put("key", b"two")
    request = {"Bucket": "data", "Key": "key"}
    assert s3.refused("PutObject", **request, Body=b"", IfMatch=etag).code == "PreconditionFailed"
    s3("DeleteObject", **request)
    s3.put("key", b"three", IfNoneMatch="*")
    assert s3.refused("DeleteObject", **request, IfMatch=etag).code == "PreconditionFailed"


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(KEYS)),
        st.tuples(st.just("delete"), st.sampled_from(KEYS)),
        st.tuples(st.just("end"), st.integers(0, 20)),
        st.tuples(st.just("status"), st.sampled_from(["Enabled", "Suspended"])),
    ),
    max_size=14,
)


@given(ACTIONS, st.integers(1, 4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_versions_are_those_of_the_model(empty, actions, page):
    bucket = f"bucket-{next(_NAMES)}"
    empty("CreateBucket", Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    status = ""
    model = {key: [] for key in KEYS}  # of each key (version, body), the newest first; None: a marker
    for number, (action, value) in enumerate(actions):
        if action == "status":
            status = value
            enable(empty, status, bucket)
        elif action == "put":
            body = str(number).encode()
            answer = empty("PutObject", Bucket=bucket, Key=value, Body=body)
            add(model[value], status, answer.get("VersionId", "null"), body)
        elif action == "delete":
            answer = empty("DeleteObject", Bucket=bucket, Key=value)
            if status:
                add(model[value], status, answer["VersionId"], None)
            else:
                model[value].clear()
        else:
            versions = [(key, entry) for key in KEYS for entry in model[key]]
            if versions:
                key, entry = versions[value % len(versions)]
                empty("DeleteObject", Bucket=bucket, Key=key, VersionId=entry[0])
                model[key].remove(entry)
    compare(empty, bucket, model, page)


def add(versions, status, version_id, body):
    if status != "Enabled":
        versions[:] = [entry for entry in versions if entry[0] != "null"]
        assert version_id == "null"
    versions.insert(0, (version_id, body))


def compare(s3, bucket, model, page):
    expected = {
        (key, version, body is None, index == 0)
        for key, versions in model.items()
        for index, (version, body) in enumerate(versions)
    }
    found = listed(s3, bucket, MaxKeys=page)
    assert set(found) == expected
    assert len(found) == len(expected)
    current = {
        key: versions[0][1] for key, versions in model.items() if versions and versions[0][1] is not None
    }
    assert [row["Key"] for row in s3("ListObjects", Bucket=bucket)["Contents"]] == sorted(current)
    for key, body in current.items():
        assert s3("GetObject", Bucket=bucket, Key=key)["Body"] == body
    for key, versions in model.items():
        for version, body in versions:
            if body is not None:
                assert s3("GetObject", Bucket=bucket, Key=key, VersionId=version)["Body"] == body
    prefixes = s3("ListObjectVersions", Bucket=bucket, Delimiter="/")["CommonPrefixes"]
    assert prefixes == ([{"Prefix": "b/"}] if model["b/1"] or model["b/2"] else [])


@pytest.mark.parametrize("version", ["", "x", "A" * 32, "null "])
def test_what_is_no_version(s3, version):
    s3.put("key")
    assert s3.refused("GetObject", Bucket="data", Key="key", VersionId=version).code == "InvalidArgument"
