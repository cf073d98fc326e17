"""Buckets and objects: the index in SQL over the content files of `Objects`.

An object row names its content; the content's pieces name the files. Copies share content. A row is
committed only after the files it leads to are on disk, and files are removed only after the commit that
forgot the last row.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wildsage.core.clock import Clock
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.store.content_files import Blob
from wildsage.store.database import Database, Transaction
from wildsage.store.disk_trouble import disk_full
from wildsage.store.object_index import (
    OBJECT_COLUMNS,
    BucketRecord,
    Condition,
    Json,
    NewObject,
    ObjectRecord,
    Piece,
    bucket_record,
    check_condition,
    dump,
    find_bucket,
    find_object,
    forget_content,
    has_content,
    no_such_key,
    object_record,
    require_bucket,
    spans,
    successor,
)
from wildsage.store.objects import Objects

T = TypeVar("T")

_PAGE = 1000


class ContentGoneError(Exception):
    """The content to share was overwritten or deleted in the meantime: look again."""


class Buckets:
    """Access to buckets and objects. Reads are immediate; coroutines belong to one event loop."""

    def __init__(self, database: Database, objects: Objects, clock: Clock) -> None:
        self.database = database
        self.objects = objects
        self.clock = clock

    # Buckets

    def bucket(self, name: str) -> BucketRecord | None:
        """Return the bucket, or None."""
        row = self.database.read_one("SELECT * FROM bucket WHERE name = ?", (name,))
        return None if row is None else bucket_record(row)

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
            if transaction.execute("SELECT 1 FROM object WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise ServiceError(
                    "The bucket you tried to delete is not empty: delete its objects first",
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

    # Reading objects

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return the object, or None."""
        row = self.database.read_one(
            f"SELECT {OBJECT_COLUMNS} FROM object WHERE bucket = ? AND key = ? AND version_id = ''",  # noqa: S608 - constant columns
            (bucket, key),
        )
        return None if row is None else object_record(row)

    def stored(self, bucket: str, key: str) -> tuple[ObjectRecord, list[Piece]] | None:
        """Return the object and its pieces as of one moment, or None.

        Lease or read the pieces before the next ``await``: after it they may be gone.
        """
        columns = ", ".join(f"object.{name}" for name in OBJECT_COLUMNS.split(", "))
        rows = self.database.read(
            f"SELECT {columns}, piece.number, piece.blob, piece.size AS piece_size, piece.checksums"  # noqa: S608 - constant columns
            " FROM object JOIN piece ON piece.content = object.content"
            " WHERE object.bucket = ? AND object.key = ? AND object.version_id = '' ORDER BY piece.number",
            (bucket, key),
        )
        if not rows:
            return None
        pieces = [
            Piece(row["number"], row["blob"], row["piece_size"], json.loads(row["checksums"])) for row in rows
        ]
        return object_record(rows[0]), pieces

    async def read_bytes(self, bucket: str, key: str, limit: int) -> bytes:
        """Return a whole object.

        Raises
        ------
        ServiceError
            ``NoSuchKey``.
        ValueError
            If it is larger than `limit` bytes.
        """
        found = self.stored(bucket, key)
        if found is None:
            raise no_such_key(key)
        record, pieces = found
        return await (await self.objects.read(spans(pieces, 0, record.size))).read(limit)

    def list_objects(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[ObjectRecord]:
        """Yield the objects whose keys begin with `prefix`, behind the key `after`, in the order of keys."""
        while rows := self.keys_from(bucket, prefix, after=after, limit=_PAGE):
            yield from rows
            after = rows[-1].key

    def keys_from(
        self, bucket: str, prefix: str, *, after: str = "", start: str = "", limit: int
    ) -> list[ObjectRecord]:
        """Return up to `limit` objects below `prefix`, with keys > `after` and >= `start`, in their order."""
        end = successor(prefix)
        bound = "" if end is None else "AND key < ?"
        parameters = (bucket, after, max(start, prefix), *(() if end is None else (end,)), limit)
        rows = self.database.read(
            f"SELECT {OBJECT_COLUMNS} FROM object"  # noqa: S608 - constant columns and bound
            f" WHERE bucket = ? AND key > ? AND key >= ? {bound} AND version_id = '' ORDER BY key LIMIT ?",
            parameters,
        )
        return [object_record(row) for row in rows]

    def exists_under(self, bucket: str, prefix: str) -> bool:
        """Tell whether any object's key begins with `prefix`."""
        return bool(self.keys_from(bucket, prefix, limit=1))

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
            check_condition(transaction, new)
            return self._replace(transaction, new, source.content, source.size)

        record, removed = await self.commit(insert)
        await self.objects.remove(removed)
        return record

    def insert_object(
        self, transaction: Transaction, new: NewObject, pieces: Sequence[Piece]
    ) -> tuple[ObjectRecord, list[str]]:
        """Store the row of an object and its pieces; return it and the blobs that nobody needs any more."""
        check_condition(transaction, new)
        content = pieces[0].blob
        transaction.executemany(
            "INSERT INTO piece (content, number, blob, size, checksums) VALUES (?, ?, ?, ?, ?)",
            [(content, piece.number, piece.blob, piece.size, dump(piece.checksums)) for piece in pieces],
        )
        return self._replace(transaction, new, content, sum(piece.size for piece in pieces))

    def _replace(
        self, transaction: Transaction, new: NewObject, content: str, size: int
    ) -> tuple[ObjectRecord, list[str]]:
        old = find_object(transaction, new.bucket, new.key)
        record = ObjectRecord(
            new.bucket, new.key, "", content, size, new.etag,
            self.clock.now(), new.storage_class, new.attributes,
        )  # fmt: skip
        transaction.execute(
            f"INSERT INTO object ({OBJECT_COLUMNS}) VALUES (?, ?, '', ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constant columns
            " ON CONFLICT (bucket, key, version_id) DO UPDATE SET content = excluded.content,"
            " size = excluded.size, etag = excluded.etag, modified_at = excluded.modified_at,"
            " storage_class = excluded.storage_class, attributes = excluded.attributes",
            (
                new.bucket, new.key, content, size, new.etag,
                record.modified_at, new.storage_class, dump(new.attributes),
            ),
        )  # fmt: skip
        return record, ([] if old is None else forget_content(transaction, old.content))

    async def set_attributes(self, bucket: str, key: str, changes: Json) -> None:
        """Change attributes of an object that stays as it is otherwise; None removes one.

        Raises
        ------
        ServiceError
            ``NoSuchBucket`` or ``NoSuchKey``.
        """

        def update(transaction: Transaction) -> None:
            require_bucket(transaction, bucket)
            record = find_object(transaction, bucket, key)
            if record is None:
                raise no_such_key(key)
            merged = {
                name: value for name, value in {**record.attributes, **changes}.items() if value is not None
            }
            transaction.execute(
                "UPDATE object SET attributes = ? WHERE bucket = ? AND key = ? AND version_id = ''",
                (dump(merged), bucket, key),
            )

        await self.commit(update)

    async def delete_objects(
        self, bucket: str, conditions: Mapping[str, Condition]
    ) -> dict[str, ServiceError]:
        """Remove objects by key, in one commit; absent ones are no error. Return what went wrong, by key.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``.
        """
        failures: dict[str, ServiceError] = {}

        def delete(transaction: Transaction) -> list[str]:
            require_bucket(transaction, bucket)
            blobs: list[str] = []
            for key, condition in conditions.items():
                try:
                    check_condition(transaction, NewObject(bucket, key, "", condition=condition))
                except ServiceError as error:
                    failures[key] = error
                    continue
                record = find_object(transaction, bucket, key)
                if record is not None:
                    transaction.execute(
                        "DELETE FROM object WHERE bucket = ? AND key = ? AND version_id = ''", (bucket, key)
                    )
                    blobs += forget_content(transaction, record.content)
            return blobs

        await self.objects.remove(await self.commit(delete))
        return failures

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

    def _in_use(self, blobs: Sequence[str]) -> set[str]:
        used: set[str] = set()
        for start in range(0, len(blobs), 500):
            some = blobs[start : start + 500]
            marks = ", ".join("?" * len(some))
            for table in ("piece", "upload_part"):
                rows = self.database.read(f"SELECT blob FROM {table} WHERE blob IN ({marks})", some)  # noqa: S608 - constant tables
                used.update(row["blob"] for row in rows)
        return used
