"""Versions of a key inside one transaction: what becomes current, what steps back, what ends.

The current object is a row of ``object``; older versions and delete markers are rows of ``object_version``.
The newest version of a key (the largest sequence) is current unless it is a delete marker. A bucket that never
had versioning takes the first branch everywhere and touches ``object`` alone.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from wildsage.core.errors import AccessDeniedError
from wildsage.store.database import Transaction
from wildsage.store.object_index import (
    OBJECT_COLUMNS,
    UNCONDITIONAL,
    BucketRecord,
    Condition,
    NewObject,
    ObjectRecord,
    check_condition,
    dump,
    find_object,
    forget_content,
    object_record,
)

Guard = Callable[[ObjectRecord], None]
"""Raises unless a version may end."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One object or version to remove.

    Attributes
    ----------
    version_id
        As the row has it: empty is the null version; None the current object, whatever it is.
    may_end
        Asked before a version ends for good.
    """

    key: str
    version_id: str | None = None
    condition: Condition = UNCONDITIONAL
    may_end: Guard | None = None


@dataclass(slots=True)
class Outcome:
    """What a deletion did.

    Attributes
    ----------
    marker
        The delete marker that was made, or the one that was removed.
    blobs
        Content files that nobody needs any more.
    """

    blobs: list[str]
    marker: ObjectRecord | None = None


def store_current(
    transaction: Transaction, bucket: BucketRecord, new: NewObject, content: str, size: int, now: float
) -> tuple[ObjectRecord, list[str]]:
    """Make an object current; return it and the blobs that nobody needs any more."""
    version_id, sequence = "", 0
    blobs: list[str] = []
    old = find_object(transaction, new.bucket, new.key)
    check_condition(new.condition, new.key, old)
    if bucket.versioning:
        version_id, sequence, blobs = _step_back(transaction, bucket, new.key, old)
    record = ObjectRecord(
        new.bucket,
        new.key,
        version_id,
        content,
        size,
        new.etag,
        now,
        new.storage_class,
        new.attributes,
        sequence,
    )
    if old is not None and not bucket.versioning:
        _drop_row(transaction, "object", old)
    _insert(transaction, "object", record)
    if old is not None and not bucket.versioning:
        blobs = forget_content(transaction, old.content)
    return record, blobs


def delete(transaction: Transaction, bucket: BucketRecord, deletion: Deletion, now: float) -> Outcome:
    """Remove an object or a version; an absent one is no error.

    Raises
    ------
    ServiceError
        If the condition does not hold, or what `Deletion.may_end` raises.
    """
    key = deletion.key
    if deletion.version_id is not None:
        version = find_version(transaction, bucket.name, key, deletion.version_id)
        if version is None:
            return Outcome([])
        check_condition(deletion.condition, key, version)
        return _end_version(transaction, version, deletion)
    current = find_object(transaction, bucket.name, key)
    if current is not None:
        check_condition(deletion.condition, key, current)
    if bucket.versioning:
        return _mark_deleted(transaction, bucket, key, current, now)
    if current is None:
        return Outcome([])
    _drop_row(transaction, "object", current)
    return Outcome(forget_content(transaction, current.content))


def find_version(transaction: Transaction, bucket: str, key: str, version_id: str) -> ObjectRecord | None:
    """Return one version, current or not, as this transaction sees it."""
    for table in ("object", "object_version"):
        row = transaction.execute(
            f"SELECT {OBJECT_COLUMNS} FROM {table} WHERE bucket = ? AND key = ? AND version_id = ?",  # noqa: S608 - constants
            (bucket, key, version_id),
        ).fetchone()
        if row is not None:
            return object_record(row)
    return None


def change_attributes(transaction: Transaction, record: ObjectRecord) -> None:
    """Write the attributes of a version, current or not."""
    for table in ("object", "object_version"):
        transaction.execute(
            f"UPDATE {table} SET attributes = ? WHERE bucket = ? AND key = ? AND version_id = ?",  # noqa: S608 - constants
            (dump(record.attributes), record.bucket, record.key, record.version_id),
        )


def locked(reason: str) -> AccessDeniedError:
    """Return the error of a version that must not end yet."""
    return AccessDeniedError(
        f"Access Denied because object protected by object lock: {reason}", code="AccessDenied"
    )


def _step_back(
    transaction: Transaction, bucket: BucketRecord, key: str, current: ObjectRecord | None
) -> tuple[str, int, list[str]]:
    """Make room for a new version; return its id, its sequence and the blobs that went.

    While versioning is suspended the new one is the null version, and takes the place of the one before it.
    """
    row = transaction.execute(
        "SELECT MAX(sequence) AS last FROM object_version WHERE bucket = ? AND key = ?", (bucket.name, key)
    ).fetchone()
    sequence = max(row["last"] or 0, 0 if current is None else current.sequence) + 1
    blobs: list[str] = []
    suspended = bucket.versioning == "Suspended"
    if suspended and (null := find_version(transaction, bucket.name, key, "")) is not None:
        _drop_version(transaction, null)
        blobs = forget_content(transaction, null.content)
        current = None if null == current else current
    if current is not None:
        _move(transaction, current, "object", "object_version")
    return "" if suspended else f"{sequence:08x}{secrets.token_hex(12)}", sequence, blobs


def _mark_deleted(
    transaction: Transaction, bucket: BucketRecord, key: str, current: ObjectRecord | None, now: float
) -> Outcome:
    version_id, sequence, blobs = _step_back(transaction, bucket, key, current)
    marker = ObjectRecord(bucket.name, key, version_id, "", 0, "", now, "STANDARD", {}, sequence)
    _insert(transaction, "object_version", marker)
    return Outcome(blobs, marker)


def _end_version(transaction: Transaction, version: ObjectRecord, deletion: Deletion) -> Outcome:
    if deletion.may_end is not None:
        deletion.may_end(version)
    _drop_version(transaction, version)
    if find_object(transaction, version.bucket, version.key) is None:
        _promote(transaction, version.bucket, version.key)
    return Outcome(
        forget_content(transaction, version.content), version if version.is_delete_marker else None
    )


def _promote(transaction: Transaction, bucket: str, key: str) -> None:
    """Make the newest version current, unless it is a delete marker."""
    row = transaction.execute(
        f"SELECT {OBJECT_COLUMNS} FROM object_version WHERE bucket = ? AND key = ?"  # noqa: S608 - constant columns
        " ORDER BY sequence DESC LIMIT 1",
        (bucket, key),
    ).fetchone()
    if row is not None and row["content"]:
        _move(transaction, object_record(row), "object_version", "object")


def _move(transaction: Transaction, record: ObjectRecord, source: str, target: str) -> None:
    _drop_row(transaction, source, record)
    _insert(transaction, target, record)


def _drop_version(transaction: Transaction, record: ObjectRecord) -> None:
    for table in ("object", "object_version"):
        _drop_row(transaction, table, record)


def _drop_row(transaction: Transaction, table: str, record: ObjectRecord) -> None:
    transaction.execute(
        f"DELETE FROM {table} WHERE bucket = ? AND key = ? AND sequence = ?",  # noqa: S608 - constant tables
        (record.bucket, record.key, record.sequence),
    )


def _insert(transaction: Transaction, table: str, record: ObjectRecord) -> None:
    values = _values(record)
    marks = ", ".join("?" * len(values))
    transaction.execute(f"INSERT INTO {table} ({OBJECT_COLUMNS}) VALUES ({marks})", values)  # noqa: S608 - constants


def _values(record: ObjectRecord) -> tuple[object, ...]:
    return (
        record.bucket, record.key, record.version_id, record.content, record.size, record.etag,
        record.modified_at, record.storage_class, dump(record.attributes), record.sequence,
    )  # fmt: skip
