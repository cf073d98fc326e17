import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.images.uri import ImageUri, parse_image_uri

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1",
            ("174872318107", "us-west-2", "kmeans", "1", ""),
        ),
        (
            "390780980154.dkr.ecr.cn-northwest-1.amazonaws.com.cn/sagemaker-scikit-learn:1.2-1-cpu-py3",
            ("390780980154", "cn-northwest-1", "sagemaker-scikit-learn", "1.2-1-cpu-py3", ""),
        ),
        (
            "833128469047.dkr.ecr.us-iso-east-1.c2s.ic.gov/knn:1",
            ("833128469047", "us-iso-east-1", "knn", "1", ""),
        ),
        ("echo", ("", "", "echo", "latest", "")),
        ("team/echo:v1", ("", "", "team/echo", "v1", "")),
        ("localhost:5000/echo", ("", "", "echo", "latest", "")),
        (f"echo@{DIGEST}", ("", "", "echo", "", DIGEST)),
        (f"echo:v1@{DIGEST}", ("", "", "echo", "v1", DIGEST)),
    ],
)
def test_splits_uris(uri: str, expected: tuple[str, ...]) -> None:
    parsed = parse_image_uri(uri)
    assert (parsed.account, parsed.region, parsed.repository, parsed.tag, parsed.digest) == expected


@pytest.mark.parametrize(
    "uri",
    ["", ":1", "UPPER:1", "a b", "echo:", "echo:-x", "echo@sha256:00", "/echo", "host.example/", "e//o:"],
)
def test_refuses_what_is_no_uri(uri: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(uri))):
        parse_image_uri(uri)


names = st.from_regex(r"[a-z0-9]{1,8}([._/-][a-z0-9]{1,8}){0,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@settings(max_examples=80)
@given(repository=names, tag=tags)
def test_name_parses_to_itself(repository: str, tag: str) -> None:
    uri = parse_image_uri(f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{repository}:{tag}")
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    assert uri == ImageUri("123456789012", "eu-west-1", host, repository, tag, "")
    assert uri.name == f"{repository}:{tag}"
