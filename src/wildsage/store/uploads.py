"""Multipart uploads under way: their parts are content files that no object leads to yet."""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from wildsage.core.errors import NotFoundError
from wildsage.store.buckets import Buckets
from wildsage.store.content_files import Blob
from wildsage.store.database import Transaction
from wildsage.store.object_index import Json, dump, require_bucket, successor


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way. `attributes` are those of the object it will become."""

    id: str
    bucket: str
    key: str
    created_at: float
    storage_class: str
    attributes: Json


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    blob: str
    size: int
    etag: str
    modified_at: float
    checksums: Mapping[str, str]


class Uploads:
    """Access to uploads and their parts."""

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self._database = buckets.database

    async def create(self, bucket: str, key: str, storage_class: str, attributes: Json) -> Upload:
        """Begin an upload.

        Raises
        ------
        ServiceError
            ``NoSuchBucket``.
        """
        now = self.buckets.clock.now()
        # Ids of one key sort by their time.
        upload_id = f"{round(now * 1000):012x}{secrets.token_hex(20)}"
        upload = Upload(upload_id, bucket, key, now, storage_class, attributes)

        def insert(transaction: Transaction) -> None:
            require_bucket(transaction, bucket)
            transaction.execute(
                "INSERT INTO upload (id, bucket, key, created_at, storage_class, attributes)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (upload.id, bucket, key, now, storage_class, dump(attributes)),
            )

        await self.buckets.commit(insert)
        return upload

    def get(self, bucket: str, key: str, upload_id: str) -> Upload | None:
        """Return the upload, or None."""
        row = self._database.read_one(
            "SELECT * FROM upload WHERE id = ? AND bucket = ? AND key = ?", (upload_id, bucket, key)
        )
        return None if row is None else _upload(row)

    def parts(self, upload_id: str, after: int = 0, limit: int = 10_000) -> list[Part]:
        """Return the parts in order, behind the number `after`."""
        rows = self._database.read(
            "SELECT * FROM upload_part WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
            (upload_id, after, limit),
        )
        return [_part(row) for row in rows]

    def page(self, bucket: str, prefix: str, after: tuple[str, str], limit: int) -> list[Upload]:
        """Return uploads below `prefix` in the order of key and time, behind the pair (key, id)."""
        end = successor(prefix)
        bound = "" if end is None else "AND key < ?"
        rows = self._database.read(
            f"SELECT * FROM upload WHERE bucket = ? AND (key, id) > (?, ?) AND key >= ? {bound}"  # noqa: S608 - constant bound
            " ORDER BY key, id LIMIT ?",
            (bucket, *after, prefix, *(() if end is None else (end,)), limit),
        )
        return [_upload(row) for row in rows]

    async def put_part(self, upload: Upload, number: int, blob: Blob) -> Part:
        """Store a part; one of the same number goes. On failure the blob goes.

        Raises
        ------
        ServiceError
            ``NoSuchUpload`` if the upload ended meanwhile.
        """
        part = Part(number, blob.id, blob.size, blob.md5, self.buckets.clock.now(), blob.checksums)

        def insert(transaction: Transaction) -> list[str]:
            require_upload(transaction, upload.id)
            old = transaction.execute(
                "SELECT blob FROM upload_part WHERE upload = ? AND number = ?", (upload.id, number)
            ).fetchone()
            transaction.execute(
                "DELETE FROM upload_part WHERE upload = ? AND number = ?", (upload.id, number)
            )
            transaction.execute(
                "INSERT INTO upload_part (upload, number, blob, size, etag, modified_at, checksums)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (upload.id, number, blob.id, blob.size, blob.md5, part.modified_at, dump(blob.checksums)),
            )
            return [] if old is None else [old["blob"]]

        try:
            removed = await self.buckets.commit(insert)
        except Exception:
            await self.buckets.objects.remove([blob.id])
            raise
        await self.buckets.objects.remove(removed)
        return part

    async def abort(self, upload: Upload) -> None:
        """End an upload and remove its parts.

        Raises
        ------
        ServiceError
            ``NoSuchUpload`` if it ended meanwhile.
        """

        def delete(transaction: Transaction) -> list[str]:
            require_upload(transaction, upload.id)
            return [part.blob for part in take_upload(transaction, upload.id)]

        await self.buckets.objects.remove(await self.buckets.commit(delete))


def require_upload(transaction: Transaction, upload_id: str) -> None:
    """Raise ``NoSuchUpload`` unless the upload is under way."""
    if transaction.execute("SELECT 1 FROM upload WHERE id = ?", (upload_id,)).fetchone() is None:
        raise no_such_upload(upload_id)


def take_upload(transaction: Transaction, upload_id: str) -> list[Part]:
    """End an upload within a transaction and return its parts, whose content is now the caller's."""
    rows = transaction.execute(
        "SELECT * FROM upload_part WHERE upload = ? ORDER BY number", (upload_id,)
    ).fetchall()
    transaction.execute("DELETE FROM upload_part WHERE upload = ?", (upload_id,))
    transaction.execute("DELETE FROM upload WHERE id = ?", (upload_id,))
    return [_part(row) for row in rows]


def no_such_upload(upload_id: str) -> NotFoundError:
    """Return the error of an upload that is not under way."""
    return NotFoundError(
        "The specified upload does not exist. The upload ID may be invalid,"
        " or the upload may have been aborted or completed.",
        code="NoSuchUpload",
        status=404,
        members={"UploadId": upload_id},
    )


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(
        row["id"], row["bucket"], row["key"], row["created_at"],
        row["storage_class"], json.loads(row["attributes"]),
    )  # fmt: skip


def _part(row: sqlite3.Row) -> Part:
    return Part(
        row["number"], row["blob"], row["size"], row["etag"], row["modified_at"], json.loads(row["checksums"])
    )
