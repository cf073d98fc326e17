"""Buckets and objects: the index in SQL over the content files of `Objects`.

An object row names its content; the content's pieces name the files. Copies share content. A row is
committed only after the files it leads to are on disk, and files are removed only after the commit that
forgot the last row.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from wildsage.core.clock import Clock
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.store.content_files import Blob
from wildsage.store.database import Database, Transaction
from wildsage.store.disk_trouble import disk_full
from wildsage.store.object_index import (
    BucketRecord,
    Json,
    NewObject,
    ObjectRecord,
    Piece,
    bucket_record,
    dump,
    find_bucket,
    find_object,
    has_content,
    no_such_key,
    require_bucket,
    successor,
)
from wildsage.store.object_reads import ObjectReads
from wildsage.store.objects import Objects
from wildsage.store.versions import (
    Deletion,
    Guard,
    Outcome,
    change_attributes,
    delete,
    find_version,
    store_current,
)

T = TypeVar("T")


class ContentGoneError(Exception):
    """The content to share was overwritten or deleted in the meantime: look again."""


class Buckets(ObjectReads):
    """Access to buckets and objects. Reads are immediate; coroutines belong to one event loop."""

    def __init__(self, database: Database, objects: Objects, clock: Clock) -> None:
        super().__init__(database, objects)
        self.clock = clock

    # Buckets

    def bucket(self, name: str) -> BucketRecord | None:
        """Return the bucket, or None."""
        row = self.database.read_one("SELECT * FROM bucket WHERE name = ?", (name,))
        return None if row is None else bucket_record(row)

    def cors_rules(self, name: str) -> list[Json] | None:
        """Return by which rules web pages of other origins are answered; None where there are none."""
        bucket = self.bucket(name)
        return None if bucket is None else bucket.records.get("cors")

    def list_buckets(self, account: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        """Return up to `limit` buckets of an account whose names begin with `prefix`, behind `after`."""
        rows = self.database.read(
            "SELECT * FROM bucket WHERE account = ? AND name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?",
            (account, after, prefix, successor(prefix) or "~", limit),
        )
        return [bucket_record(row) for row in rows]

    async def create_bucket(
        self, name: str, account: str, region: str, records: Json | None = None
    ) -> BucketRecord | None:
        """Make a bucket; None, and nothing changed, if the name is taken."""
        bucket = BucketRecord(name, account, region, self.clock.now(), records or {})

        def insert(transaction: Transaction) -> bool:
            if find_bucket(transaction, name) is not None:
                return False
            transaction.execute(
                "INSERT INTO bucket (name, account, region, created_at, records) VALUES (?, ?, ?, ?, ?)",
                (name, account, region, bucket.created_at, dump(bucket.records)),
            )
            return True

        return bucket if await self.commit(insert) else None

    async def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket and its unfinished uploads.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``, or ``BucketNotEmpty`` (409).
        """

        def delete(transaction: Transaction) -> list[str]:
            require_bucket(transaction, name)
            if _is_used(transaction, name):
                raise ServiceError(
                    "The bucket you tried to delete is not empty: delete its objects and all their versions first",
                    code="BucketNotEmpty",
                    status=409,
                    members={"BucketName": name},
                )
            uploads = "SELECT id FROM upload WHERE bucket = ?"
            rows = transaction.execute(f"SELECT blob FROM upload_part WHERE upload IN ({uploads})", (name,))  # noqa: S608 - constant
            blobs = [row["blob"] for row in rows.fetchall()]
            transaction.execute(f"DELETE FROM upload_part WHERE upload IN ({uploads})", (name,))  # noqa: S608 - constant
            transaction.execute("DELETE FROM upload WHERE bucket = ?", (name,))
            transaction.execute("DELETE FROM bucket WHERE name = ?", (name,))
            return blobs

        await self.objects.remove(await self.commit(delete))

    async def record(self, name: str, kind: str, value: Any) -> None:
        """Set one record of a bucket; None removes it.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``.
        """

        def update(transaction: Transaction) -> None:
            records = {**require_bucket(transaction, name).records, kind: value}
            if value is None:
                del records[kind]
            transaction.execute("UPDATE bucket SET records = ? WHERE name = ?", (dump(records), name))

        await self.commit(update)

    # Writing objects

    async def put_bytes(
        self, bucket: str, key: str, data: bytes, attributes: Json | None = None
    ) -> ObjectRecord:
        """Store a small object.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``, or ``InsufficientStorage``.
        """
        blob = await self.objects.put(ByteStream.of(data))
        return await self.place(NewObject(bucket, key, blob.md5, attributes or {}), blob)

    async def adopt_file(
        self, path: Path, bucket: str, key: str, attributes: Json | None = None
    ) -> ObjectRecord:
        """Make an object of a finished local file, and remove the file. May be repeated after a crash.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``, or ``InsufficientStorage``.
        OSError
            If `path` is not a readable regular file.
        """
        blob = await self.objects.adopt(path)
        record = await self.place(NewObject(bucket, key, blob.md5, attributes or {}), blob)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        return record

    async def place(self, new: NewObject, blob: Blob) -> ObjectRecord:
        """Store a row for a blob; what it replaces goes. On failure the blob goes.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``, ``NoSuchKey`` or ``PreconditionFailed`` by the condition of `new`.
        """
        pieces = [Piece(1, blob.id, blob.size, blob.checksums)]

        def insert(transaction: Transaction) -> tuple[ObjectRecord, list[str]]:
            return self.insert_object(transaction, new, pieces)

        try:
            record, removed = await self.commit(insert)
        except Exception:
            await self.objects.remove([blob.id])
            raise
        await self.objects.remove(removed)
        return record

    async def share(self, new: NewObject, source: ObjectRecord) -> ObjectRecord:
        """Store a row that shares the content of another object.

        Raises
        ------
        ContentGoneError
            If the source is no longer what it was.
        ServiceError
            As `place` does.
        """

        def insert(transaction: Transaction) -> tuple[ObjectRecord, list[str]]:
            if not has_content(transaction, source.content):
                raise ContentGoneError
            bucket = require_bucket(transaction, new.bucket)
            return store_current(transaction, bucket, new, source.content, source.size, self.clock.now())

        record, removed = await self.commit(insert)
        await self.objects.remove(removed)
        return record

    def insert_object(
        self, transaction: Transaction, new: NewObject, pieces: Sequence[Piece]
    ) -> tuple[ObjectRecord, list[str]]:
        """Store the row of an object and its pieces; return it and the blobs that nobody needs any more."""
        bucket = require_bucket(transaction, new.bucket)
        content = pieces[0].blob
        transaction.executemany(
            "INSERT INTO piece (content, number, blob, size, checksums) VALUES (?, ?, ?, ?, ?)",
            [(content, piece.number, piece.blob, piece.size, dump(piece.checksums)) for piece in pieces],
        )
        size = sum(piece.size for piece in pieces)
        return store_current(transaction, bucket, new, content, size, self.clock.now())

    async def set_attributes(
        self,
        bucket: str,
        key: str,
        changes: Json,
        version_id: str | None = None,
        may_change: Guard | None = None,
    ) -> ObjectRecord:
        """Change attributes of a version that stays as it is otherwise; None removes one.

        Parameters
        ----------
        may_change
            Raises unless the version, as it is at that moment, may be changed so.

        Raises
        ------
        ServiceError
            ``NoSuchBucket`` or ``NoSuchKey``.
        """

        def update(transaction: Transaction) -> ObjectRecord:
            require_bucket(transaction, bucket)
            if version_id is None:
                record = find_object(transaction, bucket, key)
            else:
                record = find_version(transaction, bucket, key, version_id)
            if record is None:
                raise no_such_key(key)
            if may_change is not None:
                may_change(record)
            merged = {
                name: value for name, value in {**record.attributes, **changes}.items() if value is not None
            }
            changed = replace(record, attributes=merged)
            change_attributes(transaction, changed)
            return changed

        return await self.commit(update)

    async def delete_objects(
        self, bucket: str, deletions: Sequence[Deletion]
    ) -> list[Outcome | ServiceError]:
        """Remove objects and versions in one commit, each for itself; absent ones are no error.

        Returns
        -------
        For each deletion, in order, what it did or why it was refused.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``.
        """

        def work(transaction: Transaction) -> list[Outcome | ServiceError]:
            record = require_bucket(transaction, bucket)
            outcomes: list[Outcome | ServiceError] = []
            for deletion in deletions:
                try:
                    outcomes.append(delete(transaction, record, deletion, self.clock.now()))
                except ServiceError as error:
                    outcomes.append(error)
            return outcomes

        outcomes = await self.commit(work)
        done = (outcome for outcome in outcomes if isinstance(outcome, Outcome))
        await self.objects.remove([blob for outcome in done for blob in outcome.blobs])
        return outcomes

    async def commit(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction of the index.

        Raises
        ------
        ServiceError
            What `work` raises, or ``InsufficientStorage`` if the disk is full.
        """
        try:
            return await self.database.write(work)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise disk_full(str(error)) from error
            raise

    # Maintenance

    async def sweep(self) -> int:
        """Remove content files that no row leads to; return how many. Run once after the start."""
        return await self.objects.sweep(self._in_use)

    async def orphans(self) -> list[str]:
        """Return the content files that `sweep` would remove."""
        return await self.objects.orphans(self._in_use)

    def _in_use(self, blobs: Sequence[str]) -> set[str]:
        used: set[str] = set()
        for start in range(0, len(blobs), 500):
            some = blobs[start : start + 500]
            marks = ", ".join("?" * len(some))
            for table in ("piece", "upload_part"):
                rows = self.database.read(f"SELECT blob FROM {table} WHERE blob IN ({marks})", some)  # noqa: S608 - constant tables
                used.update(row["blob"] for row in rows)
        return used


def _is_used(transaction: Transaction, bucket: str) -> bool:
    return any(
        transaction.execute(f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1", (bucket,)).fetchone()  # noqa: S608 - constants
        for table in ("object", "object_version")
    )
