"""The rows of the bucket and object index: their records, and what happens inside one transaction."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wildsage.core.errors import NotFoundError, ServiceError
from wildsage.store.content_files import Span
from wildsage.store.database import Transaction

Json = dict[str, Any]

OBJECT_COLUMNS = (
    "bucket, key, version_id, content, size, etag, modified_at, storage_class, attributes, sequence"
)
NULL_VERSION = "null"
"""How the wire calls the version that came without versioning; its row has an empty id."""
_LARGEST_CODE_POINT = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket. `records` holds what was configured, by name (``policy``, ``tags``, …)."""

    name: str
    account: str
    region: str
    created_at: float
    records: Json

    @property
    def versioning(self) -> str:
        """Return ``Enabled`` or ``Suspended``; empty where versioning never was."""
        return str(self.records.get("versioning", ""))


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A stored object without its bytes.

    Attributes
    ----------
    etag
        Without quotes.
    version_id
        Empty for the null version.
    content
        Empty for a delete marker.
    attributes
        ``ContentType``, ``Metadata``, ``Checksums``, ``ServerSideEncryption``, ``Tags``, …: what the upload
        came with, by the names of GetObject's members.
    sequence
        Grows with each version of the key.
    """

    bucket: str
    key: str
    version_id: str
    content: str
    size: int
    etag: str
    modified_at: float
    storage_class: str
    attributes: Json
    sequence: int = 0
    is_latest: bool = True

    @property
    def public_version(self) -> str:
        """Return the version's id as the wire has it."""
        return self.version_id or NULL_VERSION

    @property
    def is_delete_marker(self) -> bool:
        """Tell whether this version says that there is no object."""
        return not self.content


@dataclass(frozen=True, slots=True)
class Piece:
    """One content file of an object: the whole of a plain upload, one part of a multipart one."""

    number: int
    blob: str
    size: int
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for the object that a write would replace. ETags without quotes, or ``*``."""

    if_match: str | None = None
    if_none_match: str | None = None


UNCONDITIONAL = Condition()


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object about to be stored, apart from its content."""

    bucket: str
    key: str
    etag: str
    attributes: Json = field(default_factory=dict)
    storage_class: str = "STANDARD"
    condition: Condition = Condition()


def require_bucket(transaction: Transaction, name: str) -> BucketRecord:
    """Return the bucket or raise ``NoSuchBucket``."""
    bucket = find_bucket(transaction, name)
    if bucket is None:
        raise no_such_bucket(name)
    return bucket


def find_object(transaction: Transaction, bucket: str, key: str) -> ObjectRecord | None:
    """Return the current object as this transaction sees it, or None."""
    row = transaction.execute(
        f"SELECT {OBJECT_COLUMNS} FROM object WHERE bucket = ? AND key = ?",  # noqa: S608 - constant columns
        (bucket, key),
    ).fetchone()
    return None if row is None else object_record(row)


def check_condition(condition: Condition, key: str, current: ObjectRecord | None) -> None:
    """Raise unless the object that a write replaces, or None, is as the condition wants it."""
    if condition.if_match is not None:
        if current is None:
            raise no_such_key(key)
        if condition.if_match not in ("*", current.etag):
            raise precondition_failed("If-Match")
    if current is not None and condition.if_none_match in ("*", current.etag):
        raise precondition_failed("If-None-Match")


def no_such_bucket(name: str) -> NotFoundError:
    """Return the error of a bucket that is not there."""
    return NotFoundError(
        "The specified bucket does not exist", code="NoSuchBucket", status=404, members={"BucketName": name}
    )


def no_such_key(key: str) -> NotFoundError:
    """Return the error of an object that is not there."""
    return NotFoundError(
        "The specified key does not exist.", code="NoSuchKey", status=404, members={"Key": key}
    )


def precondition_failed(condition: str) -> ServiceError:
    """Return the error of a condition (a header's name) that does not hold."""
    return ServiceError(
        "At least one of the pre-conditions you specified did not hold",
        code="PreconditionFailed",
        status=412,
        members={"Condition": condition},
    )


def spans(pieces: Iterable[Piece], start: int, length: int) -> list[Span]:
    """Return where the bytes [start, start + length) of an object lie."""
    found: list[Span] = []
    end = start + length
    offset = 0
    for piece in pieces:
        low, high = max(start, offset), min(end, offset + piece.size)
        if low < high:
            found.append(Span(piece.blob, low - offset, high - low))
        offset += piece.size
    return found


def successor(prefix: str) -> str | None:
    """Return the smallest string above all that begin with `prefix`, by UTF-8 bytes; None if there is none."""
    head = prefix.rstrip(_LARGEST_CODE_POINT)
    if not head:
        return None
    code = ord(head[-1]) + 1
    # The code points of surrogates have no UTF-8.
    return head[:-1] + chr(0xE000 if code == 0xD800 else code)


def dump(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def find_bucket(transaction: Transaction, name: str) -> BucketRecord | None:
    """Return the bucket as this transaction sees it, or None."""
    row = transaction.execute("SELECT * FROM bucket WHERE name = ?", (name,)).fetchone()
    return None if row is None else bucket_record(row)


def has_content(transaction: Transaction, content: str) -> bool:
    """Tell whether any object or version has this content."""
    tables = ("object", "object_version")
    return any(
        transaction.execute(f"SELECT 1 FROM {table} WHERE content = ? LIMIT 1", (content,)).fetchone()  # noqa: S608 - constant tables
        for table in tables
    )


def forget_content(transaction: Transaction, content: str) -> list[str]:
    """Drop content that no object has any more; return its blobs."""
    if not content or has_content(transaction, content):
        return []
    rows = transaction.execute("SELECT blob FROM piece WHERE content = ?", (content,)).fetchall()
    transaction.execute("DELETE FROM piece WHERE content = ?", (content,))
    return [row["blob"] for row in rows]


def bucket_record(row: sqlite3.Row) -> BucketRecord:
    """Make a record of a row."""
    return BucketRecord(
        row["name"], row["account"], row["region"], row["created_at"], json.loads(row["records"])
    )


def object_record(row: sqlite3.Row) -> ObjectRecord:
    """Make a record of a row."""
    return ObjectRecord(
        row["bucket"], row["key"], row["version_id"], row["content"], row["size"], row["etag"],
        row["modified_at"], row["storage_class"], json.loads(row["attributes"]), row["sequence"],
    )  # fmt: skip
