import pytest

from wildsage.core.s3_uri import S3UriError, split_s3_uri


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://data", "data", ""),
        ("s3://data/", "data", ""),
        ("s3://data/a/b c?d#e", "data", "a/b c?d#e"),
        ("s3://data//a", "data", "/a"),
        ("https://data.s3.amazonaws.com/a/b", "data", "a/b"),
        ("https://data.s3.us-west-2.amazonaws.com/a", "data", "a"),
        ("https://data.s3-us-west-2.amazonaws.com/a", "data", "a"),
        ("https://data.s3.dualstack.us-west-2.amazonaws.com/a", "data", "a"),
        ("https://my.s3.data.s3.cn-north-1.amazonaws.com.cn/a", "my.s3.data", "a"),
        ("https://s3.us-west-2.amazonaws.com/data/a/b", "data", "a/b"),
        ("https://s3-us-west-2.amazonaws.com/data/a", "data", "a"),
        ("https://s3.amazonaws.com/data", "data", ""),
    ],
)
def test_locations(uri, bucket, key):
    assert split_s3_uri(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        "", "data/a", "s3:/data/a", "s3://", "s3:///a", "http://data.s3.amazonaws.com/a", "file:///etc/passwd",
        "https://example.com/data/a", "https://s3.amazonaws.com/", "https://data.s3.amazonaws.com.evil.example/a",
        "https://evil.example/x.s3.amazonaws.com/a",
    ],
)  # fmt: skip
def test_other_texts_are_refused_with_what_to_write(uri):
    with pytest.raises(S3UriError, match="write s3://BUCKET/KEY") as caught:
        split_s3_uri(uri)
    assert repr(uri) in str(caught.value)
