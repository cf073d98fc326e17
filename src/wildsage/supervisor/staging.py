"""Bring a run's inputs to their places: every object of every channel, several at a time.

What lies on this machine is copied by the kernel, or linked where it is only shown; the rest is fetched over HTTP.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from wildsage.supervisor import local_files
from wildsage.supervisor.contract import InputObject
from wildsage.supervisor.download import Credentials, InputError, ObjectReader

_THREADS = 4
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Placed:
    """An object and the file it becomes.

    Attributes
    ----------
    channel
        For the text of an error; empty for a model.
    is_shown
        The container sees it read-only: it may be the stored file itself.
    """

    item: InputObject
    path: Path
    channel: str = ""
    is_shown: bool = False


def place(
    items: Sequence[InputObject], folder: Path, channel: str = "", *, is_shown: bool = False
) -> list[Placed]:
    """Work out where the objects of a channel go, and make the folders. Nothing is outside `folder`.

    Parameters
    ----------
    channel, is_shown
        As `Placed` has them.

    Raises
    ------
    InputError
        If a key cannot be a file there: it leaves the folder, or another key is a file where this one
        needs a folder.
    """
    files: dict[str, InputObject] = {}
    folders: dict[str, InputObject] = {}
    for item in items:
        parts = _parts(item)
        is_folder = item.path.endswith("/") or not parts
        for depth in range(1, len(parts) + is_folder):
            folders.setdefault("/".join(parts[:depth]), item)
        path = "/".join(parts)
        if not is_folder and files.setdefault(path, item) != item:
            raise _refusal(item, f"goes to the same file as {files[path].location}")
    for path in files.keys() & folders.keys():
        other = folders[path]
        raise _refusal(files[path], f"is a file where {other.location} needs a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path in folders:
        (folder / path).mkdir(parents=True, exist_ok=True)
    return [Placed(item, folder / path, channel, is_shown) for path, item in files.items()]


def _parts(item: InputObject) -> list[str]:
    for sequence in ("//", "\0"):
        if sequence in item.path:
            raise _refusal(item, f"has an illegal char sub-sequence {sequence!r} in it")
    if item.path.startswith("/"):
        raise _refusal(item, f"would become {item.path!r}, outside its channel")
    parts = [part for part in item.path.split("/") if part]
    for part in parts:
        if part in (".", ".."):
            raise _refusal(item, f"would become {item.path!r}, outside its channel")
        if len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            raise _refusal(item, f"has a part of more than {_LONGEST_NAME} bytes: no file can be called that")
    return parts


def _refusal(item: InputObject, what: str) -> InputError:
    return InputError(
        f"ClientError: Data download failed:Failed to download data. S3 key: {item.location} {what}"
    )


@dataclass(slots=True)
class Staging:
    """Downloads with a few threads; the first failure ends all.

    Attributes
    ----------
    check
        Called between attempts by every thread; raises to end the staging.
    """

    endpoint_url: str
    region: str
    credentials: Credentials
    check: Callable[[], None]
    _queue: SimpleQueue[Placed] = field(default_factory=SimpleQueue)
    _failures: list[BaseException] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def fetch(self, placed: Sequence[Placed]) -> int:
        """Bring all objects in and return how many bytes they have. Returns or raises when no thread runs.

        Raises
        ------
        InputError
            If an object cannot be had.
        OSError
            If the disk is full, or the server is gone for good.
        """
        for one in placed:
            self._queue.put(one)
        threads = [threading.Thread(target=self._work) for _ in range(min(_THREADS, len(placed)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        return sum(one.item.size for one in placed)

    def _work(self) -> None:
        reader = ObjectReader(self.endpoint_url, self.region, self.credentials, self._pause)
        try:
            for one in self._next():
                self._bring(one, reader)
        except BaseException as error:  # noqa: BLE001 - a thread's boundary: the caller raises it again
            self._failures.append(error)
            self._over.set()
        finally:
            reader.close()

    def _bring(self, one: Placed, reader: ObjectReader) -> None:
        if (one.is_shown and local_files.link(one.item, one.path)) or local_files.copy(
            one.item, one.path, self.check
        ):
            return
        try:
            with one.path.open("wb") as file:
                reader.download(one.item, file)
        except InputError as error:
            raise error.of_channel(one.channel) if one.channel else error from None

    def _next(self) -> Iterator[Placed]:
        while not self._over.is_set():
            self.check()
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def _pause(self, seconds: float) -> None:
        self.check()
        if self._over.is_set() or (seconds and self._over.wait(seconds)):
            raise InterruptedError("another download failed")
