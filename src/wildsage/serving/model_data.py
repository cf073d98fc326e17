"""Which stored objects a container definition names as its model."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.store.object_index import ObjectRecord
from wildsage.supervisor.contract import InputObject


class ModelDataError(Exception):
    """The model data is not there. The text names the location."""


class ObjectIndex(Protocol):
    """What is asked of the object store (`wildsage.store.object_access.ObjectAccess`)."""

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return the object, or None."""
        ...

    def exists_under(self, bucket: str, prefix: str) -> bool:
        """Tell whether any object's key begins with `prefix`."""
        ...

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[ObjectRecord]:
        """Yield the objects whose keys begin with `prefix`."""
        ...


def require_model_data(index: ObjectIndex, container: Mapping[str, Any]) -> None:
    """Check that the model of a ``ContainerDefinition`` is where it says, without listing it.

    Raises
    ------
    ModelDataError
        If a location is malformed or empty.
    wildsage.core.errors.AccessDeniedError
        If the role may not look.
    """
    location = location_of(container)
    if location is None:
        return
    url, is_prefix = location
    bucket, key = _split(url)
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
    location = location_of(container)
    if location is None:
        return ()
    url, is_prefix = location
    bucket, key = _split(url)
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


def location_of(container: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the URL of the model, and whether it is a prefix."""
    if "ModelDataUrl" in container:
        return container["ModelDataUrl"], False
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    return None if source is None else (source["S3Uri"], source["S3DataType"] == "S3Prefix")


def _split(url: str) -> tuple[str, str]:
    try:
        return split_s3_uri(url)
    except S3UriError as error:
        raise ModelDataError(f"The location of the model data: {error}") from None


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
