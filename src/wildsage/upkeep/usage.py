"""What takes the space: each kind of thing that Wildsage keeps, with its size on the disk."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from wildsage.images.environments import Environments
from wildsage.store.layout import Layout
from wildsage.store.readonly import ReadOnlyDatabase

_BLOCK = 512  # what st_blocks counts, whatever the file system's own are


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of thing.

    Attributes
    ----------
    what
        Its name, e.g. ``objects``; a part of another has a slash in it and is not added to the total.
    size
        Bytes on the disk; of buckets and uploads, bytes of their objects (copies share content files).
    count
        Files, or what `detail` says.
    """

    what: str
    size: int
    count: int
    detail: str
    path: str = ""

    @property
    def is_part(self) -> bool:
        """Whether another usage contains it."""
        return "/" in self.what


def measure(layout: Layout, environments: Environments) -> list[Usage]:
    """Return everything, whether a server runs or not. Changes nothing."""
    return [
        _files("objects", "content files", layout.objects),
        *_index(layout),
        _files("runs", "files of running jobs and endpoint workers", layout.runs),
        _files("kept", "files of failed runs", layout.kept),
        _files("logs", "log streams", layout.logs),
        *_databases(layout),
        _files("upgrades", "copies from before upgrades", layout.upgrades),
        _files("images", "files of registered images", layout.images),
        _files("clients", "files for clients: trust bundles, profiles", layout.clients),
        *_server_log(layout),
        *_environments(environments),
    ]


def tree_size(path: Path) -> tuple[int, int]:
    """Return bytes on the disk and number of files below a path; links are not followed, and counted once."""
    seen: set[tuple[int, int]] = set()
    size = 0
    for status in _walk(path):
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            size += status.st_blocks * _BLOCK
    return size, len(seen)


def _walk(path: Path) -> Iterator[os.stat_result]:
    with suppress(OSError):
        if not path.is_dir():
            yield path.lstat()
            return
        for folder, _, names in os.walk(path):
            for name in names:
                with suppress(OSError):  # it went while we looked
                    yield os.lstat(os.path.join(folder, name))  # noqa: PTH118 - names may be no text


def _files(what: str, detail: str, path: Path) -> Usage:
    return Usage(what, *tree_size(path), detail, str(path))


def _index(layout: Layout) -> Iterator[Usage]:
    if not layout.state_database.exists():
        return
    with closing(ReadOnlyDatabase(layout.state_database)) as database:
        stored = "SELECT bucket, size FROM object"
        # Absent where no server that knows versions was here.
        if database.read("SELECT 1 FROM sqlite_master WHERE name = 'object_version'"):
            stored += " UNION ALL SELECT bucket, size FROM object_version WHERE content <> ''"
        rows = database.read(
            f"SELECT bucket.name, COUNT(stored.bucket), COALESCE(SUM(stored.size), 0) FROM bucket"  # noqa: S608 - constants
            f" LEFT JOIN ({stored}) AS stored ON stored.bucket = bucket.name GROUP BY bucket.name ORDER BY 3 DESC, 1"
        )
        (uploads,) = database.read("SELECT COUNT(DISTINCT upload), COALESCE(SUM(size), 0) FROM upload_part")
    for name, count, size in rows:
        yield Usage(f"objects/s3://{name}", size, count, "objects, older versions included")
    yield Usage("objects/uploads", uploads[1], uploads[0], "multipart uploads in progress")


def _databases(layout: Layout) -> Iterator[Usage]:
    for path, detail in (
        (layout.state_database, "metadata, with its log"),
        (layout.telemetry_database, "log index and metrics, with its log"),
    ):
        sizes = [tree_size(path.with_name(path.name + suffix)) for suffix in ("", "-wal", "-shm")]
        yield Usage(
            path.name, sum(size for size, _ in sizes), sum(count for _, count in sizes), detail, str(path)
        )


def _server_log(layout: Layout) -> Iterator[Usage]:
    sizes = [tree_size(path) for path in (layout.server_log, layout.server_log.with_suffix(".log.1"))]
    size, count = (sum(column) for column in zip(*sizes, strict=True))
    yield Usage("server.log", size, count, "the log of a server in the background", str(layout.server_log))


def _environments(environments: Environments) -> Iterator[Usage]:
    yield _files("environments", "files of framework environments, in the cache", environments.folder)
    for built in environments.built():
        yield Usage(f"environments/{built.name}", *tree_size(built.path), "files", str(built.path))
