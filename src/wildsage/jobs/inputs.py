"""Which stored objects a channel names, and where each of them goes below the channel's folder."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wildsage.store.buckets import Buckets
from wildsage.store.object_index import ObjectRecord
from wildsage.supervisor.contract import Channel, InputObject

_LARGEST_MANIFEST = 64 * 1024 * 1024


class InputError(Exception):
    """A channel cannot be resolved. The text is for the user."""


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://BUCKET/KEY`` (or its https forms, as the API accepts them) into bucket and key.

    Raises
    ------
    InputError
        If the URI is neither.
    """
    scheme, _, rest = uri.partition("://")
    host, _, key = rest.partition("/")
    if scheme == "s3" and host:
        return host, key
    if scheme == "https" and ".amazonaws.com" in host:
        name, _, service = host.partition(".s3")
        if service:
            return name, key
        if host.startswith("s3"):
            bucket, _, key = key.partition("/")
            return bucket, key
    raise InputError(f"{uri!r} is no S3 location: write s3://BUCKET/KEY")


def source_of(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the S3 data source of an ``InputDataConfig`` entry.

    Raises
    ------
    InputError
        If the channel has another source.
    """
    source: Mapping[str, Any] | None = channel["DataSource"].get("S3DataSource")
    if source is None:
        given = ", ".join(channel["DataSource"]) or "nothing"
        raise InputError(
            f"channel {channel['ChannelName']!r} has {given} as its DataSource; Wildsage reads S3DataSource."
            " Copy the data to a bucket (aws s3 cp) and name it there"
        )
    return source


async def resolve_channel(buckets: Buckets, channel: Mapping[str, Any]) -> Channel:
    """List the objects of a channel as they are now.

    Raises
    ------
    InputError
        If a manifest cannot be read, or nothing is there.
    """
    source = source_of(channel)
    if source["S3DataType"] == "ManifestFile":
        objects = [item async for item in _from_manifest(buckets, source["S3Uri"])]
    else:
        objects = list(_from_prefix(buckets, source["S3Uri"]))
    if not objects:
        raise InputError(f"no objects found under {source['S3Uri']}")
    return Channel(channel["ChannelName"], tuple(objects))


def _from_prefix(buckets: Buckets, uri: str) -> Iterator[InputObject]:
    bucket, prefix = split_s3_uri(uri)
    for record in buckets.list_objects(bucket, prefix):
        yield _input(bucket, record, relative_path(prefix, record.key))


def relative_path(prefix: str, key: str) -> str:
    """Return where an object goes: its key behind the folder that the prefix names.

    ``data/train`` names a folder, a file, or the beginning of names; ``data/train/`` only a folder.
    """
    if prefix and key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :]
    folder = prefix.rpartition("/")[0]
    return key[len(folder) + 1 :] if folder else key


async def _from_manifest(buckets: Buckets, uri: str) -> "Any":
    bucket, key = split_s3_uri(uri)
    try:
        content = await buckets.read_bytes(bucket, key, _LARGEST_MANIFEST)
        manifest = json.loads(content)
        prefix = manifest[0]["prefix"]
        names = [str(name) for name in manifest[1:]]
    except KeyError as error:
        raise InputError(f"the manifest {uri} does not exist ({error})") from None
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(
            f'the manifest {uri} is not a JSON list [{{"prefix": "s3://…"}}, "name", …]: {error}'
        ) from None
    data_bucket, data_prefix = split_s3_uri(prefix)
    for name in names:
        record = buckets.head(data_bucket, data_prefix + name)
        if record is None:
            raise InputError(f"s3://{data_bucket}/{data_prefix}{name}, named by {uri}, does not exist")
        yield _input(data_bucket, record, name.lstrip("/"))


def _input(bucket: str, record: ObjectRecord, path: str) -> InputObject:
    return InputObject(bucket=bucket, key=record.key, path=path, size=record.size, etag=record.etag)
