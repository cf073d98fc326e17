"""What Wildsage put outside of its data directory, written down by whoever put it there.

A command that writes a file or folder elsewhere (a notebook kernel, a shell's profile) adds it here, in the same
breath::

    Installed(layout).add(folder, "Jupyter kernel")

``wildsage uninstall`` lists what is here, and removes it.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from wildsage.store.layout import Layout


@dataclass(frozen=True, slots=True)
class InstalledPath:
    """A file or folder, and what it is."""

    path: str
    what: str


class Installed:
    """The list of one data directory. Several processes may use it at the same time."""

    def __init__(self, layout: Layout) -> None:
        self._path, self._lock = layout.installed, layout.installed_lock

    def add(self, path: Path, what: str) -> None:
        """Write down that `path` (absolute) is ours: before it is made, so that a crash leaves nothing unlisted."""
        with self._changing() as items:
            items[str(path)] = what

    def remove(self, path: Path) -> None:
        """Forget a path that is gone."""
        with self._changing() as items:
            items.pop(str(path), None)

    def list(self) -> list[InstalledPath]:
        """Return everything, in the order in which it was added."""
        try:
            return [InstalledPath(**item) for item in json.loads(self._path.read_text())]
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            items = {item.path: item.what for item in self.list()}
            yield items
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            said = [asdict(InstalledPath(path, what)) for path, what in items.items()]
            with temporary.open("w") as file:
                json.dump(said, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._path)
        finally:
            os.close(lock)
