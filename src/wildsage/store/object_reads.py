"""What is read of the object index: current objects, versions, pages of both."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wildsage.store.database import Database
from wildsage.store.object_index import (
    OBJECT_COLUMNS,
    ObjectRecord,
    Piece,
    no_such_key,
    object_record,
    spans,
    successor,
)
from wildsage.store.objects import Objects

_PAGE = 1000
_MOST_VARIABLES = 500


class ObjectReads:
    """Reads of the index; immediate, and from any thread."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self.database = database
        self.objects = objects

    def head(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return the current object, or None."""
        row = self.database.read_one(
            f"SELECT {OBJECT_COLUMNS} FROM object WHERE bucket = ? AND key = ?",  # noqa: S608 - constant columns
            (bucket, key),
        )
        return None if row is None else object_record(row)

    def version(self, bucket: str, key: str, version_id: str | None = None) -> ObjectRecord | None:
        """Return a version by the id of its row, or the newest one; it may be a delete marker."""
        chosen = "" if version_id is None else "AND version_id = :version"
        rows = " UNION ALL ".join(
            f"SELECT {OBJECT_COLUMNS} FROM {table} WHERE bucket = :bucket AND key = :key {chosen}"  # noqa: S608 - constants
            for table in ("object", "object_version")
        )
        row = self.database.read_one(
            f"{rows} ORDER BY sequence DESC LIMIT 1",
            {"bucket": bucket, "key": key, "version": version_id},
        )
        return None if row is None else object_record(row)

    def stored(
        self, bucket: str, key: str, version_id: str | None = None
    ) -> tuple[ObjectRecord, list[Piece]] | None:
        """Return the current object, or the version with this id, and its pieces as of one moment, or None.

        Lease or read the pieces before the next ``await``: after it they may be gone.
        """
        columns = ", ".join(f"object.{name}" for name in OBJECT_COLUMNS.split(", "))
        tables = ("object",) if version_id is None else ("object", "object_version")
        chosen = "" if version_id is None else "AND object.version_id = :version"
        selects = (
            f"SELECT {columns}, piece.number, piece.blob, piece.size AS piece_size, piece.checksums"  # noqa: S608 - constants
            f" FROM {table} AS object JOIN piece ON piece.content = object.content"
            f" WHERE object.bucket = :bucket AND object.key = :key {chosen}"
            for table in tables
        )
        rows = self.database.read(
            f"{' UNION ALL '.join(selects)} ORDER BY number",
            {"bucket": bucket, "key": key, "version": version_id},
        )
        if not rows:
            return None
        pieces = [
            Piece(row["number"], row["blob"], row["piece_size"], json.loads(row["checksums"])) for row in rows
        ]
        return object_record(rows[0]), pieces

    def content_files(self, records: Sequence[ObjectRecord]) -> dict[str, tuple[Path, ...]]:
        """Return the files whose contents, one behind the other, are an object's, by `ObjectRecord.content`.

        They are there for as long as nobody overwrites or deletes the object.
        """
        files: dict[str, list[Path]] = {}
        contents = list(dict.fromkeys(record.content for record in records))
        for start in range(0, len(contents), _MOST_VARIABLES):
            some = contents[start : start + _MOST_VARIABLES]
            marks = ", ".join("?" * len(some))
            rows = self.database.read(
                f"SELECT content, blob FROM piece WHERE content IN ({marks}) ORDER BY content, number",  # noqa: S608 - marks
                tuple(some),
            )
            for row in rows:
                files.setdefault(row["content"], []).append(self.objects.path(row["blob"]))
        return {content: tuple(paths) for content, paths in files.items()}

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
            f" WHERE bucket = ? AND key > ? AND key >= ? {bound} ORDER BY key LIMIT ?",
            parameters,
        )
        return [object_record(row) for row in rows]

    def exists_under(self, bucket: str, prefix: str) -> bool:
        """Tell whether any object's key begins with `prefix`."""
        return bool(self.keys_from(bucket, prefix, limit=1))

    def versions_from(
        self, bucket: str, prefix: str, *, after: tuple[str, int | None], start: str = "", limit: int
    ) -> list[ObjectRecord]:
        """Return up to `limit` versions and delete markers, in the order of keys, each key's newest first.

        Parameters
        ----------
        after
            Key and sequence of the version behind which to begin; a sequence of None: behind all of the key.
        """
        end = successor(prefix)
        bound = "" if end is None else "AND key < :end"
        behind = (
            "(key > :after OR (key = :after AND sequence < :sequence))"
            if after[1] is not None
            else "key > :after"
        )
        where = f"bucket = :bucket AND key >= :start {bound} AND {behind}"
        newest = (
            "NOT EXISTS (SELECT 1 FROM object WHERE object.bucket = v.bucket AND object.key = v.key) AND sequence ="
            " (SELECT MAX(w.sequence) FROM object_version AS w WHERE w.bucket = v.bucket AND w.key = v.key)"
        )
        rows = self.database.read(
            f"SELECT {OBJECT_COLUMNS}, 1 AS is_latest FROM object WHERE {where}"  # noqa: S608 - constants
            f" UNION ALL SELECT {OBJECT_COLUMNS}, content = '' AND {newest} FROM object_version AS v WHERE {where}"
            " ORDER BY key, sequence DESC LIMIT :limit",
            {
                "bucket": bucket, "start": max(start, prefix, after[0]), "end": end,
                "after": after[0], "sequence": after[1], "limit": limit,
            },
        )  # fmt: skip
        return [replace(object_record(row), is_latest=bool(row["is_latest"])) for row in rows]
