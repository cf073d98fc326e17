"""Which stored objects a channel names, and where each of them goes below the channel's folder."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from wildsage.core.errors import AccessDeniedError, NotFoundError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.store.object_access import ObjectAccess
from wildsage.store.object_index import ObjectRecord
from wildsage.supervisor.contract import Channel, InputObject

_LARGEST_MANIFEST = 64 * 1024 * 1024


class InputError(Exception):
    """A channel cannot be resolved. The text is for the user."""


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


async def resolve_channel(objects: ObjectAccess, channel: Mapping[str, Any]) -> Channel:
    """List the objects of a channel as they are now.

    Raises
    ------
    InputError
        If a manifest cannot be read, nothing is there, or the role may not look.
    """
    source = source_of(channel)
    try:
        if source["S3DataType"] == "ManifestFile":
            found = [item async for item in _from_manifest(objects, source["S3Uri"])]
        else:
            found = list(_from_prefix(objects, source["S3Uri"]))
    except AccessDeniedError as error:
        raise InputError(
            f"Data download failed:Failed to download data. {source['S3Uri']}: {error.code}: {error.message}"
        ) from None
    except S3UriError as error:
        raise InputError(str(error)) from None
    if not found:
        raise InputError(f"no objects found under {source['S3Uri']}")
    return Channel(channel["ChannelName"], tuple(found))


def _from_prefix(objects: ObjectAccess, uri: str) -> Iterator[InputObject]:
    bucket, prefix = split_s3_uri(uri)
    for record in objects.list_objects(bucket, prefix):
        yield _input(bucket, record, relative_path(prefix, record.key))


def relative_path(prefix: str, key: str) -> str:
    """Return where an object goes: its key behind the folder that the prefix names.

    ``data/train`` names a folder, a file, or the beginning of names; ``data/train/`` only a folder.
    """
    if prefix and key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :]
    folder = prefix.rpartition("/")[0]
    return key[len(folder) + 1 :] if folder else key


async def _from_manifest(objects: ObjectAccess, uri: str) -> AsyncIterator[InputObject]:
    bucket, key = split_s3_uri(uri)
    try:
        content = await objects.read_bytes(bucket, key, _LARGEST_MANIFEST)
    except NotFoundError:
        raise InputError(f"the manifest {uri} does not exist") from None
    except ValueError as error:
        raise InputError(f"the manifest {uri} cannot be read: {error}") from None
    try:
        manifest = json.loads(content)
        prefix = str(manifest[0]["prefix"])
        names = [str(name) for name in manifest[1:]]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InputError(
            f'the manifest {uri} is not a JSON list [{{"prefix": "s3://…"}}, "name", …]: {error}'
        ) from None
    data_bucket, data_prefix = split_s3_uri(prefix)
    for name in names:
        record = objects.head(data_bucket, data_prefix + name)
        if record is None:
            raise InputError(f"s3://{data_bucket}/{data_prefix}{name}, named by {uri}, does not exist")
        yield _input(data_bucket, record, name.lstrip("/"))


def _input(bucket: str, record: ObjectRecord, path: str) -> InputObject:
    return InputObject(bucket=bucket, key=record.key, path=path, size=record.size, etag=record.etag)
