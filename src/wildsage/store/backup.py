"""A backup of a data directory, whole and of one moment, while a server works on it; and the way back.

The moment is a read transaction on the metadata, opened while all writers wait for some milliseconds. Content files
that the metadata of that moment leads to are linked into a folder of our own first, so that nothing which is deleted
later is missed. Then everything is copied at leisure. What is made anew by itself (the lock, the log of the server,
what clients were given) and what a running job has in its folder stays out: such a job runs again after a restore.
"""

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wildsage import __version__
from wildsage.core.clock import Clock, iso8601
from wildsage.store.bundles import (
    BundleError,
    CheckSink,
    Entry,
    FolderSink,
    Manifest,
    Sink,
    TarSink,
    discard,
    entry_of,
    transfer,
    walk,
)
from wildsage.store.layout import PINNED, Layout
from wildsage.store.migrate import NewerSchemaError, check_schema, copy_database, schema_of

_WRITER_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds.

    Attributes
    ----------
    damaged
        Objects whose content is not what was stored: the disk lost it before.
    """

    objects: int
    size: int
    version: str
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Blob:
    """A content file, and the MD5 it should have where that is known."""

    name: str
    size: int
    md5: str | None
    what: str


def back_up(layout: Layout, target: Path, clock: Clock) -> Summary:
    """Write a backup: a tar file where the name of `target` ends with ``.tar``, else a folder.

    Raises
    ------
    BundleError
        If `target` exists or is inside the data directory, there is nothing to back up, or something cannot be
        read back as it was written. Nothing stays behind then.
    """
    if target.resolve().is_relative_to(layout.root.resolve()):
        raise BundleError(f"{target} is inside of what is to be backed up: name another place")
    if os.path.lexists(target):
        raise BundleError(f"{target} exists, and a backup overwrites nothing: name another file or folder")
    if not layout.state_database.exists():
        raise BundleError(f"{layout.root} holds no state: say which with --data-dir")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        sink: Sink = TarSink(partial) if target.suffix == ".tar" else FolderSink(partial)
        summary = _write(layout, sink, clock)
        transfer(partial, CheckSink())
        partial.rename(target)
    except OSError as error:
        raise BundleError(f"the backup could not be written: {error}") from error
    finally:
        discard(partial)
    return summary


def restore(bundle: Path, root: Path) -> Summary:
    """Make a data directory of a backup.

    Raises
    ------
    BundleError
        If `root` is not empty, or the backup is damaged or of a newer Wildsage. Nothing stays behind then.
    """
    if not bundle.exists():
        raise BundleError(f"there is no backup {bundle}")
    if os.path.lexists(root) and (not root.is_dir() or any(root.iterdir())):
        raise BundleError(f"{root} is not empty, and a restore overwrites nothing: name a new --data-dir")
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.with_name(f".{root.name}.{os.getpid()}.restoring")
    try:
        sink = FolderSink(partial)
        manifest = transfer(bundle, sink)
        for folder, schema in manifest.schemas.items():
            check_schema(schema, folder)
        Layout(partial).make()
        sink.finish()
        partial.rename(root)
    except NewerSchemaError as error:
        raise BundleError(
            f"{bundle} was made by Wildsage {manifest.version}, this is {__version__}: {error}"
        ) from None
    except OSError as error:
        raise BundleError(f"the backup could not be restored: {error}") from error
    finally:
        discard(partial)
    layout = Layout(root)
    objects = [name for name in sink.digests if name.startswith(f"{layout.objects.name}/")]
    size = sum((root / name).stat().st_size for name in sink.digests)
    return Summary(len(objects), size, manifest.version)


def _write(layout: Layout, sink: Sink, clock: Clock) -> Summary:
    pinned = layout.root / f"{PINNED}{secrets.token_hex(4)}"
    pinned.mkdir(mode=0o700)
    try:
        blobs = _take_state(layout, pinned)
        schemas = _add_databases(layout, pinned, sink)
        damaged = [line for blob in blobs if (line := _add_blob(layout, blob, pinned, sink))]
        for entry, path in _others(layout):
            if entry.kind == "file":
                _add_growing(entry, path, sink)
            else:
                sink.add(entry)
        sink.close_with(Manifest(__version__, iso8601(clock.now()), schemas, sink.digests))
    finally:
        shutil.rmtree(pinned, ignore_errors=True)
    return Summary(len(blobs), sum(blob.size for blob in blobs), __version__, damaged)


def _take_state(layout: Layout, pinned: Path) -> list[_Blob]:
    """Copy the metadata as of one moment, and hold on to every content file of that moment."""
    with ExitStack() as stack:
        reader, gate = (stack.enter_context(closing(_open(layout.state_database))) for _ in range(2))
        for blob in _blobs(reader):  # most of the work, before anybody has to wait
            _pin(layout, blob, pinned)
        gate.execute("BEGIN IMMEDIATE")
        reader.execute("BEGIN")
        blobs = _blobs(reader)
        for blob in blobs:
            _pin(layout, blob, pinned)
        gate.execute("ROLLBACK")
        copy_database(reader, pinned / layout.state_database.name)
    if layout.telemetry_database.exists():
        with closing(_open(layout.telemetry_database)) as reader:
            copy_database(reader, pinned / layout.telemetry_database.name)
    return blobs


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=_WRITER_PATIENCE_SECONDS)


def _blobs(connection: sqlite3.Connection) -> list[_Blob]:
    whole = dict(
        connection.execute(
            "SELECT piece.blob, object.etag || ' s3://' || object.bucket || '/' || object.key FROM piece"
            " JOIN object ON object.content = piece.content WHERE length(object.etag) = 32"
        ).fetchall()
    )
    found = {}
    for name, size in connection.execute(
        "SELECT blob, size FROM piece UNION ALL SELECT blob, size FROM upload_part"
    ):
        md5, _, what = whole.get(name, "").partition(" ")
        found[name] = _Blob(name, size, md5 or None, what or name)
    return list(found.values())


def _pin(layout: Layout, blob: _Blob, pinned: Path) -> None:
    held, source = pinned / blob.name, layout.content(blob.name)
    if held.exists():
        return
    try:
        os.link(source, held)
    except FileNotFoundError:
        return  # deleted this moment, or lost: told when it is copied
    except OSError:
        shutil.copyfile(source, held)  # a file system without links


def _add_databases(layout: Layout, pinned: Path, sink: Sink) -> Mapping[str, int]:
    schemas = {}
    for path, folder in ((layout.state_database, "state"), (layout.telemetry_database, "telemetry")):
        copy = pinned / path.name
        if copy.exists():
            schemas[folder] = schema_of(copy)
            _add_growing(Entry(path.name, "file", size=copy.stat().st_size), copy, sink)
    return schemas


def _add_blob(layout: Layout, blob: _Blob, pinned: Path, sink: Sink) -> str | None:
    """Add a content file; returns what is wrong with it."""
    path = pinned / blob.name
    if not path.exists():
        return f"{blob.what}: its content is missing"
    name = layout.content(blob.name).relative_to(layout.root).as_posix()
    size = path.stat().st_size
    with path.open("rb") as file:
        content = _Md5Reader(file)
        sink.add_file(Entry(name, "file", size=size), content)
    if size != blob.size:
        return f"{blob.what}: its content has {size} bytes instead of {blob.size}"
    if blob.md5 is not None and content.digest.hexdigest() != blob.md5:
        return f"{blob.what}: its content does not have the MD5 {blob.md5}"
    return None


class _Md5Reader:
    """Reads and hashes: what ETags are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _add_growing(entry: Entry, path: Path, sink: Sink) -> None:
    """Add a file that may grow meanwhile: what it had when it was looked at."""
    with path.open("rb") as content:
        sink.add_file(entry, content)


def _others(layout: Layout) -> Iterable[tuple[Entry, Path]]:
    """Yield what else belongs to a data directory: settings, keys, authority, images, logs."""
    for path in sorted(layout.root.iterdir()):
        if path.name in _left_out(layout) or path.name.startswith("."):
            continue
        entry = entry_of(path, path.name)
        if entry is not None:
            yield entry, path
        if entry is not None and entry.kind == "folder":
            yield from walk(path, path.name)


def _left_out(layout: Layout) -> set[str]:
    databases = {path.name for path in (layout.state_database, layout.telemetry_database)}
    volatile = {path.name for path in (layout.lock, layout.server, layout.server_log, layout.clients)}
    here = {layout.installed.name, layout.installed_lock.name}  # of this directory alone
    files = {f"{name}{suffix}" for name in databases for suffix in ("", "-wal", "-shm")}
    folders = {path.name for path in (layout.objects, layout.runs, layout.kept, layout.upgrades)}
    return files | volatile | here | folders | {f"{layout.server_log.name}.1"}
