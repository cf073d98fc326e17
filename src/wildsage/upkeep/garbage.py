"""Remove what nobody needs any more, and never what a resource refers to.

The store has one owner: a running server collects on its owner's call; where none runs, the command owns the data
directory for the time. So nothing that is being stored or read this moment is ever taken for garbage.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wildsage.core.clock import Clock
from wildsage.core.errors import ServiceError
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.serving.placements import Placements
from wildsage.store.buckets import Buckets
from wildsage.store.layout import PINNED, Layout
from wildsage.store.log_retention import LogRetention
from wildsage.store.logs import LogStreams
from wildsage.store.runs import Runs
from wildsage.store.uploads import Uploads
from wildsage.supervisor.contract import JOB_FILE
from wildsage.supervisor.folder import RunFolder, living_runs
from wildsage.upkeep.usage import tree_size


@dataclass(frozen=True, slots=True)
class Collected:
    """How much of one kind went, or would go."""

    what: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """Collects on one data directory. Whoever makes it owns the directory."""

    layout: Layout
    buckets: Buckets
    logs: LogStreams
    environments: Environments
    clock: Clock

    async def answer(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Collect on the owner's call: ``older`` in seconds, ``dry_run``."""
        older, dry_run = members.get("older"), members.get("dry_run")
        if not isinstance(older, int | float) or older < 0 or not isinstance(dry_run, bool):
            raise ServiceError("gc takes older (seconds, 0 or more) and dry_run (true or false)", status=400)
        found = await self.collect(float(older), dry_run=dry_run)
        return {"collected": [asdict(one) for one in found]}

    async def collect(self, older: float, *, dry_run: bool) -> list[Collected]:
        """Remove what is garbage; of what might still be looked at only what is older.

        Parameters
        ----------
        older
            Seconds since its last use.
        dry_run
            Change nothing; say what would go.
        """
        before = self.clock.now() - older
        run = asyncio.to_thread
        return [
            await self._uploads(before, dry_run=dry_run),
            await self._orphans(dry_run=dry_run),
            await self._streams(dry_run=dry_run),
            await run(self._folders, "folders of ended runs", self._ended_runs(before), dry_run=dry_run),
            await run(self._folders, "kept folders of failed runs", self._kept(before), dry_run=dry_run),
            await run(self._folders, "interrupted backups", self._pinned(before), dry_run=dry_run),
            await run(self._folders, "copies from before upgrades", self._copies(before), dry_run=dry_run),
            await run(self._folders, "content of removed images", self._contents(before), dry_run=dry_run),
            await run(self._environments, before, dry_run=dry_run),
        ]

    # Of the store

    async def _uploads(self, before: float, *, dry_run: bool) -> Collected:
        """Multipart uploads that nobody has touched since."""
        rows = self.buckets.database.read(
            "SELECT upload.id, upload.bucket, upload.key, COALESCE(SUM(upload_part.size), 0) AS size FROM upload"
            " LEFT JOIN upload_part ON upload_part.upload = upload.id WHERE upload.created_at < ?"
            " GROUP BY upload.id, upload.bucket, upload.key HAVING COALESCE(MAX(upload_part.modified_at), 0) < ?",
            (before, before),
        )
        uploads = Uploads(self.buckets)
        for row in () if dry_run else rows:
            upload = uploads.get(row["bucket"], row["key"], row["id"])
            if upload is not None:
                with suppress(ServiceError):  # it ended this moment
                    await uploads.abort(upload)
        return Collected("abandoned multipart uploads", len(rows), sum(row["size"] for row in rows))

    async def _orphans(self, *, dry_run: bool) -> Collected:
        orphans = await self.buckets.orphans()
        size = _sizes(self.layout.content(blob) for blob in orphans)
        if not dry_run:
            await self.buckets.sweep()
        return Collected("content files without an object", len(orphans), size)

    async def _streams(self, *, dry_run: bool) -> Collected:
        count = size = 0
        retention = LogRetention(self.logs)
        for stream, before_ms in retention.candidates(self.clock.now()):
            gone = await retention.expire(stream, before_ms, dry_run=dry_run)
            count, size = count + (gone > 0), size + gone
        return Collected("log streams past their retention", count, size)

    # Folders

    def _folders(self, what: str, paths: Iterable[Path], *, dry_run: bool) -> Collected:
        found = list(paths)
        size = _sizes(found)
        for path in () if dry_run else found:
            if path.is_dir():
                RunFolder(path).delete()  # whatever modes are in it
            else:
                path.unlink(missing_ok=True)
        return Collected(what, len(found), size)

    def _ended_runs(self, before: float) -> list[Path]:
        folders = _older(self.layout.runs, before)  # first: a run is stored before its folder is made
        state = self.buckets.database
        needed = {run.run_id for run in Runs(state).unsettled()} | Placements(state).run_ids()
        return [path for path in folders if path.name not in needed and not RunFolder(path).is_alive()]

    def _kept(self, before: float) -> list[Path]:
        # By folder: one that `KeptRuns` cannot read any more goes as well.
        return [path for path in _older(self.layout.kept, before) if not RunFolder(path).is_alive()]

    def _pinned(self, before: float) -> list[Path]:
        return [path for path in _older(self.layout.root, before) if path.name.startswith(PINNED)]

    def _copies(self, before: float) -> list[Path]:
        return _older(self.layout.upgrades, before)

    def _contents(self, before: float) -> list[Path]:
        in_use = self._in_use()
        unreferenced = RegisteredImages(self.layout.images).unreferenced()
        return [path for path in unreferenced if path.stat().st_mtime < before and str(path) not in in_use]

    def _environments(self, before: float, *, dry_run: bool) -> Collected:
        count = size = 0
        in_use = self._in_use()
        for built in self.environments.built():
            if built.used_at < before and str(built.path) not in in_use:
                length, _ = tree_size(built.path)
                if dry_run or self.environments.discard(built):
                    count, size = count + 1, size + length
        return Collected("environments", count, size)

    def _in_use(self) -> str:
        """Return what the living containers were started with: every path they mount is in it."""
        found = []
        for run in living_runs(self.layout.runs):
            with suppress(OSError):
                found.append((run.path / JOB_FILE).read_text(encoding="utf-8"))
        return "\n".join(found)


def _older(folder: Path, before: float) -> list[Path]:
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                found.append(path)
    return sorted(found)


def _sizes(paths: Iterable[Path]) -> int:
    return sum(tree_size(path)[0] for path in paths)
