"""Which objects a channel names."""

import asyncio
import json
from pathlib import Path

import pytest

from wildsage.core.errors import AccessDeniedError
from wildsage.jobs.inputs import ONLY_HOST, InputError, InputSources, relative_path, resolve_channel
from wildsage.store.buckets import Buckets
from wildsage.store.file_systems import FileSystems
from wildsage.store.object_access import RoleObjects
from wildsage.store.objects import Objects
from wildsage.store.run_tokens import RunRole
from wildsage.supervisor.contract import Share

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


def channel_of(buckets, clock, source, authorize=lambda *_: None, host=ONLY_HOST, mode="File", **members):
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}, **members}
    objects = RoleObjects(buckets, authorize, clock).of(ROLE, "us-west-2")
    sources = InputSources(objects, FileSystems(Path("/absent/filesystems.json")))
    return asyncio.run(resolve_channel(sources, channel, mode, host))


def resolve(buckets, clock, uri, kind="S3Prefix", authorize=lambda *_: None):
    found = channel_of(buckets, clock, {"S3DataType": kind, "S3Uri": uri}, authorize)
    return {item.path: item.key for item in found.objects}


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
        (b'[{"prefix": 5}, "a"]', "its first entry must be an object with a text 'prefix'"),
        (b'[{"prefix": "s3://data/"}, "a", 7]', r"entry 3 is 7, but must be a key behind the prefix"),
        (b'[{"prefix": "s3://data/"}, ""]', r'entry 2 is "", but must be a key behind the prefix'),
        (b'[{"prefix": "file:///etc/"}, "passwd"]', "is no S3 location"),
        (
            b'[{"prefix": "s3://data/"}, "absent"]',
            "s3://data/absent, named by s3://data/m.json, does not exist",
        ),
        (b'[{"prefix": "s3://data/"}]', r"the manifest s3://data/m\.json names no objects"),
        (
            rb'[{"prefix": "s3://data/"}, "a\ud800"]',
            r'names no key of S3: entry 2, "a\\ud800", must have 1 to',
        ),
        (
            rb'[{"prefix": "s3://data/\udc00"}, "a"]',
            r'names no key of S3: entry 2, "a", must have 1 to 1024 bytes',
        ),
        (
            rb'[{"prefix": "s3://\udc00/"}, "a"]',
            r'names no key of S3: entry 2, "a", must have 1 to 1024 bytes',
        ),
        (
            b'[{"prefix": "s3://data/"}, "%s"]' % (b"x" * 1025),
            r'names no key of S3: entry 2, "x{59}, must have',
        ),
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
        str(caught.value)
        == f"Data download failed:Failed to download data. {uri}: AccessDenied: no {action} (channel 'train')"
    )


def test_a_manifest_that_is_not_there_or_too_large(buckets, clock, monkeypatch):
    with pytest.raises(
        InputError, match=r"^the manifest s3://data/absent\.json does not exist \(channel 'train'\)$"
    ):
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


# What the supervisor is told


def test_the_options_of_a_channel_reach_the_run(buckets, clock):
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://data/train/",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    channel = channel_of(
        buckets, clock, source, mode="Pipe", host=Share(1, 2),
        CompressionType="Gzip", RecordWrapperType="RecordIO", ShuffleConfig={"Seed": 7},
    )  # fmt: skip
    assert (channel.mode, channel.gzip, channel.wrap_records, channel.seed) == ("Pipe", True, True, 7)
    assert channel.share == Share(1, 2)
    assert channel.attributes == ()
    replicated = channel_of(
        buckets, clock, {**source, "S3DataDistributionType": "FullyReplicated"}, host=Share(1, 2)
    )
    assert (replicated.share, replicated.seed) == (Share(), None)


def test_content_on_this_machine_is_named_where_the_role_may_read_it(buckets, clock):
    def refuse_b(_context, permission):
        if permission.action == "s3:GetObject" and permission.resource.endswith("/b"):
            raise AccessDeniedError("no", code="AccessDenied")

    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"}
    one, two = channel_of(buckets, clock, source, refuse_b).objects
    (file,) = one.files
    assert Path(file).read_bytes() == b"train/a"
    assert (two.key, two.files) == ("train/sub/b", ())


def test_an_augmented_manifest_is_the_only_object_of_its_channel(buckets, clock):
    asyncio.run(buckets.put_bytes("data", "d/a.manifest", b'{"a": 1}\n'))
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://data/d/a.manifest",
        "AttributeNames": ["b-ref", "a"],
    }
    channel = channel_of(buckets, clock, source, mode="Pipe")
    assert [item.key for item in channel.objects] == ["d/a.manifest"]
    assert channel.attributes == ("b-ref", "a")


@pytest.mark.parametrize(
    ("key", "content", "said"), [("absent", None, "does not exist"), ("empty", b"", "is empty")]
)
def test_an_augmented_manifest_that_says_nothing(buckets, clock, key, content, said):
    if content is not None:
        asyncio.run(buckets.put_bytes("data", key, content))
    source = {"S3DataType": "AugmentedManifestFile", "S3Uri": f"s3://data/{key}", "AttributeNames": ["a"]}
    with pytest.raises(InputError, match=f"the augmented manifest s3://data/{key} {said}.*channel 'train'"):
        channel_of(buckets, clock, source, mode="Pipe")


# Folders of this machine


@pytest.fixture
def folder_channel(buckets, clock, tmp_path):
    file_systems = FileSystems(tmp_path / "data" / "filesystems.json")
    (tmp_path / "efs" / "a" / "b").mkdir(parents=True)
    (tmp_path / "efs" / "out").symlink_to(tmp_path)
    file_systems.add("fs-01234567", tmp_path / "efs")

    def resolve(directory, access="ro", kind="EFS", file_system="fs-01234567"):
        source = {
            "FileSystemId": file_system, "DirectoryPath": directory,
            "FileSystemAccessMode": access, "FileSystemType": kind,
        }  # fmt: skip
        objects = RoleObjects(buckets, lambda *_: None, clock).of(ROLE, "us-west-2")
        channel = {"ChannelName": "train", "DataSource": {"FileSystemDataSource": source}}
        return asyncio.run(resolve_channel(InputSources(objects, file_systems), channel, "File"))

    return resolve


@pytest.mark.parametrize(
    ("directory", "kind", "below"),
    [("/a/b", "EFS", "a/b"), ("/", "EFS", ""), ("/fsx/a", "FSxLustre", "a"), ("/3x3abcmv", "FSxLustre", "")],
)
def test_a_folder_is_found_below_the_root(folder_channel, tmp_path, directory, kind, below):
    channel = folder_channel(directory, kind=kind)
    assert (channel.folder, channel.writable, channel.objects) == (str(tmp_path / "efs" / below), False, ())
    assert folder_channel(directory, "rw", kind).writable


@pytest.mark.parametrize(
    ("directory", "file_system", "said"),
    [
        ("/absent", "fs-01234567", "DirectoryPath '/absent' is no directory of fs-01234567"),
        ("/../x", "fs-01234567", "leads out of fs-01234567"),
        ("/out", "fs-01234567", "leads out of fs-01234567"),
        ("/a", "fs-76543210", "wildsage filesystems add fs-76543210 PATH"),
    ],
)
def test_a_folder_that_is_not_there_or_elsewhere(folder_channel, directory, file_system, said):
    with pytest.raises(InputError, match=said) as caught:
        folder_channel(directory, file_system=file_system)
    assert str(caught.value).endswith("(channel 'train')")
