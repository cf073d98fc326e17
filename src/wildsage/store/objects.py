"""Content of stored objects, as plain files named by random ids.

Guarantees
----------
- A file under its final name is whole and on disk: data to a temporary file, fdatasync, rename, fsync of
  the folder. The caller then commits the row that refers to it; until then the file is an orphan.
- Content never changes. An overwrite is a new file; the old one is removed after the commit that forgot it,
  and later still where somebody is reading it.
- Memory is bounded for any size; file access and hashing happen in threads.

Orphans (a crash between file and row, or between row and removal) are swept after the start. Ids end with
the session that made them, so that the sweep leaves alone what this server is just storing.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import stat
import threading
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from wildsage.core.streams import ByteStream, PromisedByteStream
from wildsage.store.content_files import Blob, Intake, Reader, Span, drop, link, sync_folder
from wildsage.store.disk_trouble import NO_SPACE, disk_full

T = TypeVar("T")

_CHUNK = 1 << 20
_NICENESS = 10
_THREADS = 8
_INCOMING = "incoming"


class _Lease:
    """Keeps content files alive while somebody reads them; ends when nobody holds it any more."""

    __slots__ = ("__weakref__",)


class Objects:
    """The folder of content files. All coroutines belong to one event loop.

    Parameters
    ----------
    folder
        Made if absent. Nothing else may write below it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / _INCOMING
        self._session = secrets.token_hex(4)
        self._threads = ThreadPoolExecutor(_THREADS, "objects", initializer=_step_back)
        self._hashing = ThreadPoolExecutor(_hashing_threads(), "hashing", initializer=_step_back)
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._released: deque[str] = deque()  # blobs of leases that have ended
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(mode=0o700, parents=True)
        sync_folder(folder)
        sync_folder(folder.parent)
        # Folders whose own entries are on disk.
        self._shards = {entry.name for entry in folder.iterdir() if entry.is_dir()}
        self._shards_lock = threading.Lock()

    def close(self) -> None:
        """Wait for file operations under way."""
        self._hashing.shutdown()
        self._threads.shutdown()

    # Storing

    async def put(self, stream: ByteStream, algorithms: Collection[str] = ()) -> Blob:
        """Store a stream durably and return what was stored; no row refers to it yet.

        Raises
        ------
        ServiceError
            ``InsufficientStorage`` (507) if the disk is full. Nothing stays behind.
        """
        with _disk_errors():
            promised = stream if isinstance(stream, PromisedByteStream) else None
            path = self._incoming / secrets.token_hex(16)
            intake = await self._run(lambda: Intake(path, algorithms, sha256=promised is not None))
            try:
                # What a signature promised is hashed in the thread that hashes anyway, not on the loop.
                await self._fill(intake, stream if promised is None else promised.unchecked)
                if promised is not None:
                    promised.check(intake.sha256)
                return await self._run(lambda: self._finish(intake))
            finally:
                await asyncio.shield(self._run(lambda: drop(intake)))

    async def adopt(self, path: Path, algorithms: Collection[str] = ()) -> Blob:
        """Take over a finished local file: by a link where the file system allows, else by a copy.

        The file itself stays, so that a crash before the row's commit loses nothing: the caller removes it
        after that.

        Raises
        ------
        ServiceError
            ``InsufficientStorage`` (507) if the disk is full.
        OSError
            If `path` is not a readable regular file (a symbolic link is none).
        """
        with _disk_errors():
            return await self._run(lambda: self._adopt(path, algorithms))

    async def _fill(self, intake: Intake, stream: ByteStream) -> None:
        """Write and hash in a thread while the next bytes arrive."""
        pending: asyncio.Future[None] | None = None
        failure: BaseException | None = None
        batch: list[bytes] = []
        size = 0
        try:
            async for chunk in stream:
                batch.append(chunk)
                size += len(chunk)
                if size >= _CHUNK:
                    if pending is not None:
                        await pending
                    pending = self._write(intake, batch)
                    batch, size = [], 0
        finally:
            # The thread must be done with the file before anybody closes it, whatever happened.
            if pending is not None:
                await asyncio.wait([pending])
                failure = pending.exception()
        if failure is not None:
            raise failure
        if batch:
            await self._write(intake, batch)

    def _write(self, intake: Intake, batch: list[bytes]) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._hashing, intake.write, batch)

    def _finish(self, intake: Intake) -> Blob:
        blob_id = self._new_id()
        intake.sync()
        self._place(intake.path, blob_id)
        return intake.blob(blob_id)

    def _place(self, path: Path, blob_id: str) -> None:
        target = self._path(blob_id)
        self._make_shard(target.parent)
        path.rename(target)
        try:
            sync_folder(target.parent)
        except OSError:
            target.unlink(missing_ok=True)
            raise

    def _make_shard(self, folder: Path) -> None:
        if folder.name not in self._shards:
            with self._shards_lock:
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self._folder)
                self._shards.add(folder.name)

    def _adopt(self, source: Path, algorithms: Collection[str]) -> Blob:
        temporary = self._incoming / secrets.token_hex(16)
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as reader:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "only a regular file can be adopted", str(source))
            intake = Intake(temporary, algorithms)
            try:
                if link(source, temporary):
                    while chunk := reader.read(_CHUNK):
                        intake.hash(chunk)
                    os.fdatasync(descriptor)
                    os.fchmod(descriptor, 0o600)
                else:
                    while chunk := reader.read(_CHUNK):
                        intake.write([chunk])
                    intake.sync()
                blob_id = self._new_id()
                self._place(temporary, blob_id)
                return intake.blob(blob_id)
            finally:
                drop(intake)

    # Reading

    def lease(self, blobs: Iterable[str]) -> object:
        """Keep content files from being removed until the returned object is garbage.

        Take it in the same breath as the row that names them was read: removals happen in this event loop.
        """
        lease = _Lease()
        self._release()
        held = tuple(blobs)
        self._readers.update(held)
        # It may die in any thread, and amid anything: what it held is only noted, and given up on the loop.
        wake = partial(_wake, asyncio.get_running_loop(), self._release)
        weakref.finalize(lease, _note, self._released, held, wake).atexit = False
        return lease

    async def read(self, spans: Sequence[Span]) -> ByteStream:
        """Return the bytes of some spans, one after the other, in chunks of at most 1 MiB.

        Raises
        ------
        OSError
            If the first file cannot be opened.
        """
        lease = self.lease(span.blob for span in spans)
        first = await self._run(lambda: self._open(spans[0].blob)) if spans else None
        return ByteStream(self._chunks(spans, first, lease), sum(span.length for span in spans))

    async def _chunks(
        self, spans: Sequence[Span], first: "Reader | None", lease: object
    ) -> AsyncIterator[bytes]:
        reader = first
        for span in spans:
            if reader is None:
                reader = await self._run(partial(self._open, span.blob))
            async for chunk in self._span(reader, span):
                yield chunk
            reader = None
        del lease  # held until here

    async def _span(self, reader: "Reader", span: Span) -> AsyncIterator[bytes]:
        """Read one chunk ahead of the consumer."""
        loop = asyncio.get_running_loop()
        position, end = span.start, span.start + span.length
        ahead: asyncio.Future[bytes] | None = None
        while position < end:
            size = min(_CHUNK, end - position)
            chunk = await (ahead or loop.run_in_executor(self._threads, reader.read, size, position))
            position += size
            ahead = None
            if position < end:
                ahead = loop.run_in_executor(
                    self._threads, reader.read, min(_CHUNK, end - position), position
                )
            yield chunk

    def _open(self, blob_id: str) -> "Reader":
        return Reader(self._path(blob_id))

    # Removing

    async def remove(self, blobs: Iterable[str]) -> None:
        """Remove content that no row refers to any more; what is being read goes when its readers have gone."""
        self._release()
        idle = []
        for blob in blobs:
            if self._readers[blob]:
                self._doomed.add(blob)
            else:
                idle.append(blob)
        if idle:
            await self._run(lambda: self._unlink(idle))

    async def sweep(self, in_use: Callable[[Sequence[str]], set[str]]) -> int:
        """Remove the orphans that earlier servers left; return how many.

        Parameters
        ----------
        in_use
            Tells which of some ids a row refers to. Called in a thread.
        """
        return await self._run(lambda: self._sweep(in_use))

    async def orphans(self, in_use: Callable[[Sequence[str]], set[str]]) -> list[str]:
        """Return what `sweep` would remove."""
        return await self._run(lambda: self._orphans(in_use))

    def _sweep(self, in_use: Callable[[Sequence[str]], set[str]]) -> int:
        orphans = self._orphans(in_use)
        self._unlink(orphans)
        return len(orphans)

    def _orphans(self, in_use: Callable[[Sequence[str]], set[str]]) -> list[str]:
        orphans: list[str] = []
        for folder in sorted(self._folder.iterdir()):
            if folder.name == _INCOMING or not folder.is_dir():
                continue
            names = [entry.name for entry in folder.iterdir() if not entry.name.endswith(self._session)]
            # What was deleted while somebody reads it goes when its readers have gone.
            candidates = [name for name in names if name not in self._readers]
            used = in_use(candidates) if candidates else set()
            orphans += [name for name in candidates if name not in used]
        return orphans

    def _release(self) -> None:
        """Give up what ended leases held."""
        idle = []
        while self._released:
            blob = self._released.popleft()
            self._readers[blob] -= 1
            if self._readers[blob] <= 0:
                del self._readers[blob]
                if blob in self._doomed:
                    self._doomed.discard(blob)
                    idle.append(blob)
        if idle:
            # After `close` the next start sweeps them.
            with contextlib.suppress(RuntimeError):
                self._threads.submit(self._unlink, idle)

    def _unlink(self, blobs: Iterable[str]) -> None:
        for blob in blobs:
            self._path(blob).unlink(missing_ok=True)

    # Common

    def path(self, blob_id: str) -> Path:
        """Return where a content file lies, if it is there: for readers on this machine, and never to be written to."""
        return self._path(blob_id)

    def _new_id(self) -> str:
        return f"{secrets.token_hex(16)}-{self._session}"

    def _path(self, blob_id: str) -> Path:
        return self._folder / blob_id[:2] / blob_id

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _hashing_threads() -> int:
    """Return how many streams are hashed at a time: one, or all cores but one.

    With more than there are cores, the one that holds the interpreter's lock may have to wait for those that hash
    without it, each for as long as the scheduler lets it, and the event loop waits with it.
    """
    return min(_THREADS, max(1, len(os.sched_getaffinity(0)) - 1))


def _step_back() -> None:
    """Let the event loop go before this thread: on a busy core a large upload would delay everybody's answer."""
    os.nice(_NICENESS)  # on Linux of the calling thread alone


def _note(released: deque[str], blobs: tuple[str, ...], wake: Callable[[], None]) -> None:
    released.extend(blobs)
    wake()


def _wake(loop: asyncio.AbstractEventLoop, release: Callable[[], None]) -> None:
    # A closed loop: this server ends, and the next start sweeps.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(release)


class _disk_errors(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads like a function
    """Turns a full disk into `disk_full`."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise disk_full(os.strerror(error.errno)) from error
