"""Which objects a channel names."""

import asyncio
import json

import pytest

from wildsage.core.errors import AccessDeniedError
from wildsage.jobs.inputs import InputError, relative_path, resolve_channel
from wildsage.store.buckets import Buckets
from wildsage.store.object_access import RoleObjects
from wildsage.store.objects import Objects
from wildsage.store.run_tokens import RunRole

ROLE = RunRole("123456789012", "arn:aws:iam::123456789012:role/R")


@pytest.fixture
def buckets(state, clock, tmp_path):
    objects = Objects(tmp_path / "objects")
    made = Buckets(state, objects, clock)

    async def fill():
        await made.create_bucket("data", ROLE.account, "us-west-2")
        for key in ("train/a", "train/sub/b", "train2/c"):
            await made.put_bytes("data", key, key.encode())

    asyncio.run(fill())
    yield made
    objects.close()


def resolve(buckets, clock, uri, kind="S3Prefix", authorize=lambda *_: None):
    source = {"S3DataType": kind, "S3Uri": uri}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    objects = RoleObjects(buckets, authorize, clock).of(ROLE, "us-west-2")
    return {item.path: item.key for item in asyncio.run(resolve_channel(objects, channel)).objects}


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://data/train/", {"a": "train/a", "sub/b": "train/sub/b"}),
        ("s3://data/train/sub/b", {"b": "train/sub/b"}),
        ("s3://data/train", {"a": "train/a", "sub/b": "train/sub/b", "train2/c": "train2/c"}),
        ("https://data.s3.us-west-2.amazonaws.com/train2/", {"c": "train2/c"}),
    ],
)
def test_prefixes(buckets, clock, uri, found):
    assert resolve(buckets, clock, uri) == found


def manifest(buckets, content):
    asyncio.run(buckets.put_bytes("data", "m.json", content))


def test_a_manifest_names_objects(buckets, clock):
    manifest(buckets, json.dumps([{"prefix": "s3://data/train"}, "/a", "2/c"]).encode())
    assert resolve(buckets, clock, "s3://data/m.json", "ManifestFile") == {"a": "train/a", "2/c": "train2/c"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a JSON list"),
        (b"{}", "is not a JSON list"),
        (b"[]", "is not a JSON list"),
        (b'["a"]', "is not a JSON list"),
        (b"[" * 100_000, "is not a JSON list"),
        (b'[{"prefix": 5}, "a"]', "is no S3 location"),
        (b'[{"prefix": "file:///etc/"}, "passwd"]', "is no S3 location"),
        (
            b'[{"prefix": "s3://data/"}, "absent"]',
            "s3://data/absent, named by s3://data/m.json, does not exist",
        ),
        (b'[{"prefix": "s3://data/"}]', "no objects found"),
    ],
)
def test_manifests_that_cannot_be_read(buckets, clock, content, said):
    manifest(buckets, content)
    with pytest.raises(InputError, match=said):
        resolve(buckets, clock, "s3://data/m.json", "ManifestFile")


@pytest.mark.parametrize(
    ("kind", "uri"), [("S3Prefix", "s3://data/train/"), ("ManifestFile", "s3://data/m.json")]
)
def test_what_the_role_may_not_do_is_said_as_a_failed_download(buckets, clock, kind, uri):
    def refuse(_context, permission):
        raise AccessDeniedError(f"no {permission.action} on {permission.resource}", code="AccessDenied")

    with pytest.raises(InputError) as caught:
        resolve(buckets, clock, uri, kind, refuse)
    action = (
        "s3:ListBucket on arn:aws:s3:::data"
        if kind == "S3Prefix"
        else "s3:GetObject on arn:aws:s3:::data/m.json"
    )
    assert (
        str(caught.value) == f"Data download failed:Failed to download data. {uri}: AccessDenied: no {action}"
    )


def test_a_manifest_that_is_not_there_or_too_large(buckets, clock, monkeypatch):
    with pytest.raises(InputError, match=r"^the manifest s3://data/absent\.json does not exist$"):
        resolve(buckets, clock, "s3://data/absent.json", "ManifestFile")
    manifest(buckets, b"[" + b" " * 100 + b"]")
    monkeypatch.setattr("wildsage.jobs.inputs._LARGEST_MANIFEST", 100)
    with pytest.raises(InputError, match=r"m\.json cannot be read: the body is larger than 100 bytes"):
        resolve(buckets, clock, "s3://data/m.json", "ManifestFile")


def test_nothing_and_other_sources(buckets, clock):
    with pytest.raises(InputError, match="no objects found under s3://data/none"):
        resolve(buckets, clock, "s3://data/none")
    with pytest.raises(InputError, match="no objects found under s3://absent/"):
        resolve(buckets, clock, "s3://absent/")


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [("", "a/b", "a/b"), ("a", "a/b", "b"), ("a/", "a/b", "b"), ("a", "ab", "ab"), ("x/a", "x/ab", "ab"), ("x/a", "x/a", "a")],
)  # fmt: skip
def test_paths_below_the_channel(prefix, key, path):
    assert relative_path(prefix, key) == path
