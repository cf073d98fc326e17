"""What the channels of a job are: which stored objects, or which folder, and how the container gets them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from wildsage.core.errors import AccessDeniedError, NotFoundError
from wildsage.core.s3_uri import S3UriError, is_key, split_s3_uri
from wildsage.store.file_systems import FileSystems, UnknownFolderError
from wildsage.store.object_access import ObjectAccess
from wildsage.store.object_index import ObjectRecord
from wildsage.supervisor.contract import Channel, InputMode, InputObject, Share

_LARGEST_MANIFEST = 64 * 1024 * 1024
_AT_ONCE = 200  # objects: some 10 ms in which the event loop does nothing else

ONLY_HOST = Share()


class InputError(Exception):
    """A channel cannot be resolved. The text is for the user."""


@dataclass(frozen=True, slots=True)
class InputSources:
    """Where channels come from, as the job's role sees it."""

    objects: ObjectAccess
    file_systems: FileSystems


def input_mode(channel: Mapping[str, Any], specification: Mapping[str, Any]) -> InputMode:
    """Return the mode of an ``InputDataConfig`` entry: its own, else that of the ``AlgorithmSpecification``."""
    mode: InputMode = channel.get("InputMode") or specification["TrainingInputMode"]
    return mode


async def resolve_channel(
    sources: InputSources, channel: Mapping[str, Any], mode: InputMode, host: Share = ONLY_HOST
) -> Channel:
    """Find out what a channel is now.

    Parameters
    ----------
    host
        Which of the job's hosts asks: with ``ShardedByS3Key`` it gets its share.

    Raises
    ------
    InputError
        If a manifest cannot be read, nothing is there, or the role may not look.
    """
    name = channel["ChannelName"]
    try:
        folder = channel["DataSource"].get("FileSystemDataSource")
        if folder is not None:
            return _folder_channel(name, folder, sources.file_systems)
        return await _object_channel(channel, mode, sources.objects, host)
    except AccessDeniedError as error:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        raise InputError(
            f"Data download failed:Failed to download data. {uri}: {error.code}: {error.message} (channel '{name}')"
        ) from None
    except (S3UriError, UnknownFolderError, InputError) as error:
        raise InputError(f"{error} (channel '{name}')") from None


def _folder_channel(name: str, source: Mapping[str, Any], file_systems: FileSystems) -> Channel:
    directory = source["DirectoryPath"]
    if source["FileSystemType"] == "FSxLustre":  # begins with the name under which Lustre is mounted
        directory = directory.lstrip("/").partition("/")[2]
    path = file_systems.folder(source["FileSystemId"], directory)
    return Channel(name, folder=str(path), writable=source["FileSystemAccessMode"] == "rw")


async def _object_channel(
    channel: Mapping[str, Any], mode: InputMode, objects: ObjectAccess, host: Share
) -> Channel:
    source = channel["DataSource"]["S3DataSource"]
    kind, uri = source["S3DataType"], source["S3Uri"]
    if kind == "ManifestFile":
        listed = _from_manifest(objects, uri)
    elif kind == "AugmentedManifestFile":
        listed = _manifest_itself(objects, uri)
    else:
        listed = _from_prefix(objects, uri)
    found = [item async for item in listed]
    if not found:
        raise InputError(f"no objects found under {uri}")
    is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
    return Channel(
        name=channel["ChannelName"],
        objects=tuple(await _with_files(objects, found)),
        mode=mode,
        gzip=channel.get("CompressionType", "None") == "Gzip",
        wrap_records=channel.get("RecordWrapperType", "None") == "RecordIO",
        attributes=tuple(source.get("AttributeNames", ())) if kind == "AugmentedManifestFile" else (),
        seed=channel.get("ShuffleConfig", {}).get("Seed"),
        share=host if is_sharded else ONLY_HOST,
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    record: ObjectRecord
    path: str


async def _from_prefix(objects: ObjectAccess, uri: str) -> AsyncIterator[_Listed]:
    bucket, prefix = split_s3_uri(uri)
    records = objects.list_objects(bucket, prefix)
    while some := list(islice(records, _AT_ONCE)):
        for record in some:
            yield _Listed(record, relative_path(prefix, record.key))
        await asyncio.sleep(0)  # others wait for the event loop


async def objects_below(objects: ObjectAccess, bucket: str, folder: str) -> list[InputObject]:
    """Return the objects of a folder, whose name ends with ``/`` unless it is the whole bucket."""
    found = [
        _Listed(record, record.key[len(folder) :])
        for record in objects.list_objects(bucket, folder)
        if not record.key.endswith("/")
    ]
    return await _with_files(objects, found)


def relative_path(prefix: str, key: str) -> str:
    """Return where an object goes: its key behind the folder that the prefix names.

    ``data/train`` names a folder, a file, or the beginning of names; ``data/train/`` only a folder.
    """
    if prefix and key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :]
    folder = prefix.rpartition("/")[0]
    return key[len(folder) + 1 :] if folder else key


async def _from_manifest(objects: ObjectAccess, uri: str) -> AsyncIterator[_Listed]:
    prefix, names = _entries(await _read_manifest(objects, uri), uri)
    data_bucket, data_prefix = split_s3_uri(prefix)
    for place, name in enumerate(names):
        if not (is_key(data_bucket) and is_key(data_prefix + name)):
            raise InputError(
                f"the manifest {uri} names no key of S3: entry {place + 2}, {json.dumps(name)[:60]}, must have"
                " 1 to 1024 bytes of UTF-8 with its prefix"
            )
        record = objects.head(data_bucket, data_prefix + name)
        if record is None:
            raise InputError(
                f"s3://{data_bucket}/{data_prefix}{name}, named by {uri}, does not exist (entry {place + 2})"
            )
        yield _Listed(record, name.lstrip("/"))
        if place % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)


async def _read_manifest(objects: ObjectAccess, uri: str) -> bytes:
    bucket, key = split_s3_uri(uri)
    try:
        return await objects.read_bytes(bucket, key, _LARGEST_MANIFEST)
    except NotFoundError:
        raise InputError(f"the manifest {uri} does not exist") from None
    except ValueError as error:
        raise InputError(f"the manifest {uri} cannot be read: {error}") from None


def _entries(content: bytes, uri: str) -> tuple[str, list[str]]:
    """Return the prefix and the names of a manifest ``[{"prefix": "s3://…"}, "name", …]``."""
    form = f'the manifest {uri} is not a JSON list [{{"prefix": "s3://…"}}, "name", …]'
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{form}: {error}") from None
    first = manifest[0] if isinstance(manifest, list) and manifest else None
    if not isinstance(first, dict) or not isinstance(first.get("prefix"), str):
        raise InputError(f"{form}: its first entry must be an object with a text 'prefix'")
    for place, name in enumerate(manifest[1:], 2):
        if not isinstance(name, str) or not name:
            raise InputError(
                f"{form}: entry {place} is {json.dumps(name)[:60]}, but must be a key behind the prefix"
            )
    if len(manifest) == 1:
        raise InputError(
            f"the manifest {uri} names no objects: its entries behind the first must be their keys"
        )
    return first["prefix"], manifest[1:]


async def _manifest_itself(objects: ObjectAccess, uri: str) -> AsyncIterator[_Listed]:
    bucket, key = split_s3_uri(uri)
    record = objects.head(bucket, key)
    if record is None:
        raise InputError(f"the augmented manifest {uri} does not exist")
    if not record.size:
        raise InputError(f"the augmented manifest {uri} is empty: it must have a JSON object on each line")
    yield _Listed(record, key.rpartition("/")[2])


async def _with_files(objects: ObjectAccess, found: list[_Listed]) -> list[InputObject]:
    items = []
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        files = objects.content_files([one.record for one in some])
        for one in some:
            record, here = one.record, files.get(one.record.content, ())
            items.append(
                InputObject(
                    record.bucket, record.key, one.path, record.size, record.etag, files=tuple(map(str, here))
                )
            )
        await asyncio.sleep(0)
    return items
