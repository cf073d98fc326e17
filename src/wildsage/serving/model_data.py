"""Which stored objects a container definition names as its model."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from wildsage.store.object_index import ObjectRecord
from wildsage.supervisor.contract import InputObject


class ModelDataError(Exception):
    """The model data is not there. The text names the location."""


class ObjectIndex(Protocol):
    """What is asked of the object store (`wildsage.store.buckets.Buckets`)."""

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return the object, or None."""
        ...

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[ObjectRecord]:
        """Yield the objects whose keys begin with `prefix`."""
        ...


def split_model_url(url: str) -> tuple[str, str]:
    """Split ``s3://BUCKET/KEY`` or one of the https forms of Amazon S3 into bucket and key.

    Raises
    ------
    ModelDataError
        If the URL is neither.
    """
    parts = urlsplit(url)
    host, key = parts.netloc, parts.path.lstrip("/")
    if parts.scheme == "s3" and host:
        return host, key
    name, found, _ = host.rpartition(".s3.")
    if not found:
        name, found, _ = host.rpartition(".s3-")
    if parts.scheme == "https" and ".amazonaws." in host:
        if found:
            return name, key
        if host.startswith(("s3.", "s3-")):
            bucket, _, key = key.partition("/")
            return bucket, key
    raise ModelDataError(
        f"{url!r} is no location of model data: write s3://BUCKET/KEY"
        " or https://BUCKET.s3.REGION.amazonaws.com/KEY"
    )


def model_objects(index: ObjectIndex, container: Mapping[str, Any]) -> tuple[InputObject, ...]:
    """Return the objects of a ``ContainerDefinition``'s model, as they are now; nothing where it has none.

    Raises
    ------
    ModelDataError
        If a location is malformed or empty.
    """
    if "ModelDataUrl" in container:
        return (_one(index, container["ModelDataUrl"]),)
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return ()
    if source["S3DataType"] == "S3Object":
        return (_one(index, source["S3Uri"]),)
    return _all_below(index, source["S3Uri"])


def _one(index: ObjectIndex, url: str) -> InputObject:
    bucket, key = split_model_url(url)
    record = index.head(bucket, key) if key else None
    if record is None:
        raise ModelDataError(f"Could not find model data at {url}.")
    return _input(record, key.rpartition("/")[2])


def _all_below(index: ObjectIndex, url: str) -> tuple[InputObject, ...]:
    bucket, key = split_model_url(url)
    prefix = key if not key or key.endswith("/") else f"{key}/"
    found = tuple(
        _input(record, record.key[len(prefix) :])
        for record in index.list_objects(bucket, prefix)
        if not record.key.endswith("/")
    )
    if not found:
        raise ModelDataError(f"Could not find model data at {url}.")
    return found


def _input(record: ObjectRecord, path: str) -> InputObject:
    return InputObject(record.bucket, record.key, path, record.size, record.etag)
