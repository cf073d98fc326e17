"""Outputs that are uploaded while the container runs: files that are finished are copied out for the server.

Which files are finished says `wildsage.supervisor.watched_folder`. One that changes later is sent again, and what is left
at the end is taken with the other outputs (`wildsage.supervisor.artifacts`).
"""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from wildsage.supervisor.contract import SENT_FOLDER, Output
from wildsage.supervisor.watched_folder import (
    ChangedError,
    Look,
    Signature,
    WatchedFile,
    WatchedFolder,
    WatchedFolderError,
)

LOOK_SECONDS = 1.0
_COPYING = ".copying"
_PORTION = 1 << 20


class Continuous:
    """Sends the finished files of some outputs. Safe to close without a start.

    Parameters
    ----------
    outputs
        Those that are not continuous are left alone.
    folder, ml
        The run's folder; its ``/opt/ml``.
    """

    def __init__(self, outputs: tuple[Output, ...], folder: Path, ml: Path) -> None:
        self._outputs = [output for output in outputs if output.is_continuous]
        self._mailbox = folder / SENT_FOLDER
        self._folders = {output.name: WatchedFolder(ml, output.place) for output in self._outputs}
        self._looks = {output.name: Look() for output in self._outputs}
        self._sent: dict[str, dict[str, Signature]] = {output.name: {} for output in self._outputs}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="continuous", daemon=True)

    @property
    def sent(self) -> Mapping[str, Mapping[str, Signature]]:
        """Which version of which file was sent, by its path, by the output's name."""
        return self._sent

    def start(self) -> None:
        """Begin to look. Call after the launch: threads and forks do not go together."""
        if self._outputs:
            self._thread.start()

    def close(self) -> None:
        """End. Call after the container's end."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for output in self._outputs:
                with suppress(OSError, RecursionError):  # as below; folders may be nested too deep
                    self.look(output)

    def look(self, output: Output) -> None:
        """Send what has not changed since the last look."""
        folder, name = self._folders[output.name], output.name
        try:
            look = self._looks[name] = folder.look(self._looks[name], self._sent[name])
        except WatchedFolderError:  # what is there now is not followed, nor taken at the end
            return
        for path in sorted(look.finished):
            # What cannot be sent now is sent later, at the latest at the end.
            with suppress(OSError, ChangedError, WatchedFolderError):
                self._send(name, path, look.files[path])

    def _send(self, name: str, path: str, seen: Signature) -> None:
        """Put a copy into the mailbox, unless the last one is still there."""
        place = self._mailbox / name / path
        if self._over.is_set() or place.exists():
            return
        with self._folders[name].opened(path, seen) as file:
            self._copy(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        (self._mailbox / _COPYING).rename(place)
        self._sent[name][path] = seen

    def _copy(self, file: WatchedFile) -> None:
        """Copy a file; raises `ChangedError` where it changed meanwhile."""
        self._mailbox.mkdir(exist_ok=True)
        with (self._mailbox / _COPYING).open("wb") as copy:
            while copy.tell() < file.size:
                copy.write(file.read(copy.tell(), _PORTION))
            copy.flush()
            os.fsync(copy.fileno())
        file.check()
