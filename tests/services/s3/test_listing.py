"""Lists of keys."""

import pytest

KEYS = ["a", "b/1", "b/2", "b/c/3", "d e", "f+g", "ü"]


@pytest.fixture
def filled(s3):
    for key in KEYS:
        s3.put(key, key.encode())
    return s3


def keys(page):
    return [entry["Key"] for entry in page["Contents"]]


def prefixes(page):
    return [entry["Prefix"] for entry in page["CommonPrefixes"]]


def test_version_two(filled):
    page = filled("ListObjectsV2", Bucket="data", Delimiter="/")
    assert keys(page) == ["a", "d e", "f+g", "ü"]
    assert prefixes(page) == ["b/"]
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"], page["NextContinuationToken"]) == (
        5, 1000, False, None,
    )  # fmt: skip
    entry = page["Contents"][0]
    assert (entry["Size"], entry["StorageClass"], entry["Owner"]) == (1, "STANDARD", None)
    owned = filled("ListObjectsV2", Bucket="data", FetchOwner=True)["Contents"][0]["Owner"]
    assert len(owned["ID"]) == 64
    assert keys(filled("ListObjectsV2", Bucket="data", StartAfter="d e")) == ["f+g", "ü"]
    assert keys(filled("ListObjectsV2", Bucket="data", Prefix="b/", Delimiter="/")) == ["b/1", "b/2"]


def test_version_two_in_pages(filled):
    seen, token = [], {}
    while True:
        page = filled("ListObjectsV2", Bucket="data", Delimiter="/", MaxKeys=1, **token)
        seen += keys(page) + prefixes(page)
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert seen == ["a", "b/", "d e", "f+g", "ü"]
    error = filled.refused("ListObjectsV2", Bucket="data", ContinuationToken="nonsense")
    assert error.code == "InvalidArgument"
    assert filled.refused("ListObjectsV2", Bucket="data", MaxKeys=-1).code == "InvalidArgument"
    none = filled("ListObjectsV2", Bucket="data", MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    assert filled("ListObjectsV2", Bucket="data", MaxKeys=5000)["MaxKeys"] == 1000


def test_version_one_in_pages(filled):
    page = filled("ListObjects", Bucket="data", Delimiter="/", MaxKeys=2)
    assert (keys(page), prefixes(page), page["NextMarker"]) == (["a"], ["b/"], "b/")
    page = filled("ListObjects", Bucket="data", Delimiter="/", Marker="b/")
    assert (keys(page), prefixes(page)) == (["d e", "f+g", "ü"], [])
    assert "NextMarker" in page
    assert filled("ListObjects", Bucket="data", MaxKeys=2)["NextMarker"] is None


def test_url_encoding(filled):
    page = filled("ListObjectsV2", Bucket="data", EncodingType="url", Prefix="d ", StartAfter="ä")
    assert (page["Prefix"], page["StartAfter"], page["EncodingType"]) == ("d%20", "%C3%A4", "url")
    assert keys(filled("ListObjects", Bucket="data", EncodingType="url"))[-3:] == ["d%20e", "f%2Bg", "%C3%BC"]


def test_versions_are_the_objects(filled):
    page = filled("ListObjectVersions", Bucket="data", MaxKeys=1)
    (version,) = page["Versions"]
    assert (version["Key"], version["VersionId"], version["IsLatest"]) == ("a", "null", True)
    rest = filled(
        "ListObjectVersions", Bucket="data", KeyMarker=page["NextKeyMarker"], VersionIdMarker="null"
    )
    assert [version["Key"] for version in rest["Versions"]] == KEYS[1:]
    assert (
        filled.refused("ListObjectVersions", Bucket="data", VersionIdMarker="null").code == "InvalidArgument"
    )
