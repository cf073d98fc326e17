"""A job's checkpoints: brought back before the start, stored while the container runs, and once more at its end.

S3 follows the container's folder: finished files are written (`wildsage.supervisor.watched_folder` says which are),
files that the container removed are deleted, and what others write there meanwhile is not brought in. A file goes up
whole or not at all. What it replaces is deleted only when the files that were under way at that moment are stored, so that
S3 never lacks a checkpoint that the container has.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from wildsage.compute.base import Mount
from wildsage.supervisor.contract import CheckpointPlace
from wildsage.supervisor.download import TroubleError, UnreachableError
from wildsage.supervisor.environment import ML_TARGET
from wildsage.supervisor.staging import Placed, place
from wildsage.supervisor.upload import ObjectWriter, UploadError
from wildsage.supervisor.watched_folder import (
    ChangedError,
    Look,
    Signature,
    WatchedFolder,
    WatchedFolderError,
)

OUTSIDE_FOLDER = "checkpoints"
"""In the run's folder: the checkpoints of a job whose LocalPath is not below ``/opt/ml``."""

_LOOK_SECONDS = 0.25
_LOOK_SHARE = 20
"""At most one twentieth of the time goes into looking: a folder of very many files is looked at less often."""
_LONGEST_WAIT_SECONDS = 600.0


@dataclass(slots=True)
class Synced:
    """What was done.

    Attributes
    ----------
    restored, uploaded, deleted
        Objects.
    uploaded_bytes
        An object that was written twice counts twice.
    unfinished
        Files that the container was writing when it ended: they are not stored.
    """

    restored: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    deleted: int = 0
    unfinished: tuple[str, ...] = ()


@dataclass(slots=True)
class _Gone:
    """A stored file that the container removed.

    Attributes
    ----------
    since
        Monotonic seconds.
    missed_in
        The look that did not find it. What replaces it may have come while that went on, so that only the next
        one is sure to see it.
    awaited
        Files that were under way then, and still are; None: not known yet.
    """

    since: float
    missed_in: Look
    awaited: set[str] | None = None


class Checkpoints:
    """Both ways between a folder of the container and S3. A job without checkpoints: every method does nothing.

    Parameters
    ----------
    folder, ml
        The run's folder; its ``/opt/ml``.
    open_writer
        Makes what stores objects; takes what pauses between attempts.
    """

    def __init__(
        self,
        where: CheckpointPlace | None,
        folder: Path,
        ml: Path,
        open_writer: Callable[[Callable[[float], None]], ObjectWriter],
    ) -> None:
        self._where = where
        local = "" if where is None else where.local_path.rstrip("/")
        self._is_inside = local.startswith(f"{ML_TARGET}/")
        base, path = (ml, local[len(ML_TARGET) + 1 :]) if self._is_inside else (folder, OUTSIDE_FOLDER)
        self._path = base / path
        self._folder = WatchedFolder(base, path)
        self._open_writer = open_writer
        self._look = Look()
        self._look_again_at = 0.0
        self._restored: Mapping[str, Signature] = {}
        self._synced: dict[str, Signature] = {}
        self._gone: dict[str, _Gone] = {}
        self._done = Synced()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self.failure: Exception | None = None

    # Before the launch

    def place(self) -> list[Placed]:
        """Make the folder; return which objects have to be brought in: none where files are there already.

        Raises
        ------
        wildsage.supervisor.download.InputError
            If a key cannot be a file.
        """
        if self._where is None:
            return []
        self._path.mkdir(parents=True, exist_ok=True)
        if self._folder.look(Look(), {}).files:
            return []
        self._done.restored = len(self._where.objects)
        return place(self._where.objects, self._path)

    def remember(self) -> None:
        """Take the files that are there for what S3 has. Call when they were brought in, before the launch."""
        if self._where is not None:
            self._restored = self._folder.look(Look(), {}).files

    def mounts(self) -> list[Mount]:
        """Return what the container has to see besides ``/opt/ml`` itself."""
        if self._where is None or self._is_inside:
            return []
        return [Mount(str(self._path), self._where.local_path.rstrip("/"), writable=True)]

    # Beside the container

    def start(self) -> None:
        """Begin to store. Call after the launch: threads and forks do not go together."""
        if self._where is not None:
            self._synced = dict(self._restored)
            self._thread = threading.Thread(target=self._work, name="checkpoints")
            self._thread.start()

    def look(self, *, may_end: bool = False) -> None:
        """Look for finished files, if it is time to. Call often, while the container lives.

        Parameters
        ----------
        may_end
            It was told to end.
        """
        now = time.monotonic()
        if self._thread is None or self.failure is not None or (now < self._look_again_at and not may_end):
            return
        try:
            self._look = self._folder.look(self._look, self._synced, may_end=may_end)
        except (WatchedFolderError, OSError) as error:
            self._fail(error)
        self._look_again_at = now + max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - now))

    def _work(self) -> None:
        writer = self._open_writer(self._pause)
        try:
            while not self._over.wait(_LOOK_SECONDS) and self.failure is None:
                with suppress(UnreachableError):  # the next pass goes on
                    self._pass(self._look, writer, self._over.is_set)
        except InterruptedError:
            pass
        except (WatchedFolderError, UploadError, OSError) as error:
            self._fail(error)
        finally:
            writer.close()

    def _pause(self, seconds: float) -> None:
        if seconds and self._over.wait(seconds):
            raise InterruptedError("the container has ended")

    # After its end

    def close(self) -> None:
        """Store nothing any more. Again: nothing happens."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def finish(self, *, well: bool, may_give_up: Callable[[], bool]) -> Synced | None:
        """Store what is left, however long the server is away; return all that was done.

        What is in the way is in `failure`.

        Parameters
        ----------
        well
            The container ended with exit code 0: what it left is finished. Otherwise a file counts only if it was seen
            finished while the container lived.
        may_give_up
            Asked when the server has not answered for minutes; one that answers with trouble is given up then.
        """
        if self._thread is None or self._where is None:
            return None
        self.close()
        writer = self._open_writer(time.sleep)
        try:
            if self.failure is None:
                self._store_the_rest(self._last_look(well=well), writer, may_give_up)
        except (WatchedFolderError, UploadError, OSError) as error:
            self._fail(error)
        finally:
            writer.close()
        return self._done

    def _store_the_rest(self, look: Look, writer: ObjectWriter, may_give_up: Callable[[], bool]) -> None:
        while True:
            try:
                self._pass(look, writer, lambda: False)
                break
            except UnreachableError as error:
                if isinstance(error.__cause__, TroubleError) or may_give_up():
                    raise
        # What the container was writing may be what replaces them: then they are the last whole ones.
        if not self._done.unfinished:
            self._delete([path for path in self._synced if path not in look.files], writer)

    def _last_look(self, *, well: bool) -> Look:
        """Look once more, now that nobody writes: what was not seen finished may be half of a file."""
        before = self._look
        now = self._folder.look(before, self._synced)
        wanted = {path for path, seen in now.files.items() if self._synced.get(path) != seen}
        finished = {path for path in before.closed if before.files[path] == now.files.get(path)}
        stored = wanted if well else wanted & finished
        self._done.unfinished = tuple(sorted(wanted - stored))
        return replace(now, finished=frozenset(stored))

    # What is stored

    def _pass(self, look: Look, writer: ObjectWriter, is_over: Callable[[], bool]) -> None:
        """Write what is finished and not stored as it is; delete what is gone."""
        for path in sorted(look.finished, key=lambda path: (look.since[path], path)):
            if is_over():
                return
            if self._synced.get(path) != look.files[path]:
                self._write(path, look.files[path], writer)
        under_way = {path for path, seen in look.files.items() if self._synced.get(path) != seen}
        self._delete(self._no_longer_needed(look, under_way), writer)

    def _write(self, path: str, seen: Signature, writer: ObjectWriter) -> None:
        assert self._where is not None  # else nothing is looked at
        try:
            with self._folder.opened(path, seen) as file:
                writer.put(self._where.bucket, self._key(path), file)
        except ChangedError:
            return
        self._synced[path] = seen
        self._done.uploaded += 1
        self._done.uploaded_bytes += seen.size

    def _no_longer_needed(self, look: Look, under_way: set[str]) -> list[str]:
        """Return the files that are gone, and for which nothing is awaited any more that was under way when they went."""
        now = time.monotonic()
        missing = self._synced.keys() - look.files.keys()
        self._gone = {path: self._gone.get(path) or _Gone(now, look) for path in missing}
        for gone in self._gone.values():
            if gone.awaited is not None:
                gone.awaited &= under_way
            elif gone.missed_in is not look:
                gone.awaited = set(under_way)
        return [
            path
            for path, gone in self._gone.items()
            if gone.awaited == set() or now - gone.since > _LONGEST_WAIT_SECONDS
        ]

    def _delete(self, paths: list[str], writer: ObjectWriter) -> None:
        assert self._where is not None  # else nothing is looked at
        for path in sorted(paths):
            writer.delete(self._where.bucket, self._key(path))
            del self._synced[path]
            self._done.deleted += 1

    def _key(self, path: str) -> str:
        assert self._where is not None  # else nothing is looked at
        try:
            path.encode()
        except UnicodeEncodeError:
            raise WatchedFolderError(f"{path!r} is no UTF-8: no key of S3 can be called that") from None
        return f"{self._where.prefix}{path}"

    def _fail(self, error: Exception) -> None:
        if isinstance(error, WatchedFolderError):
            local = "" if self._where is None else self._where.local_path
            error = UploadError(f"{local}: {error}")
        self.failure = error
