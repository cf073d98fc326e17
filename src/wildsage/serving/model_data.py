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

    def exists_under(self, bucket: str, prefix: str) -> bool:
        """Tell whether any object's key begins with `prefix`."""
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


def require_model_data(index: ObjectIndex, container: Mapping[str, Any]) -> None:
    """Check that the model of a ``ContainerDefinition`` is where it says, without listing it.

    Raises
    ------
    ModelDataError
        If a location is malformed or empty.
    """
    location = _location(container)
    if location is None:
        return
    url, is_prefix = location
    bucket, key = split_model_url(url)
    if is_prefix or container.get("Mode") == "MultiModel":
        found = index.exists_under(bucket, _as_folder(key))
    else:
        found = index.head(bucket, key) is not None
    if not found:
        raise _missing(url)


def model_objects(index: ObjectIndex, container: Mapping[str, Any]) -> tuple[InputObject, ...]:
    """Return the objects of a ``ContainerDefinition``'s model, as they are now; nothing where it has none.

    Raises
    ------
    ModelDataError
        If a location is malformed or empty.
    """
    location = _location(container)
    if location is None:
        return ()
    url, is_prefix = location
    bucket, key = split_model_url(url)
    if is_prefix:
        prefix = _as_folder(key)
        found = [
            _input(record, record.key[len(prefix) :])
            for record in index.list_objects(bucket, prefix)
            if not record.key.endswith("/")
        ]
    else:
        record = index.head(bucket, key)
        found = (
            []
            if record is None
            else [_input(record, key.rpartition("/")[2], is_archive=_is_archive(container))]
        )
    if not found:
        raise _missing(url)
    return tuple(found)


def _location(container: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the URL of the model, and whether it is a prefix."""
    if "ModelDataUrl" in container:
        return container["ModelDataUrl"], False
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    return None if source is None else (source["S3Uri"], source["S3DataType"] == "S3Prefix")


def _is_archive(container: Mapping[str, Any]) -> bool:
    """Tell whether a single object is a model archive: always, unless its source says that it is not."""
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return bool(source.get("CompressionType", "Gzip") == "Gzip")


def _as_folder(key: str) -> str:
    return key if not key or key.endswith("/") else f"{key}/"


def _missing(url: str) -> ModelDataError:
    return ModelDataError(f"Could not find model data at {url}.")


def _input(record: ObjectRecord, path: str, *, is_archive: bool = False) -> InputObject:
    return InputObject(record.bucket, record.key, path, record.size, record.etag, is_archive)
