"""Everything that Wildsage put on this machine, and its removal."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wildsage.compute.engine import ENGINES
from wildsage.compute.limits import abandoned_groups, end_group
from wildsage.core.clock import SystemClock
from wildsage.store.directory_lock import is_free, owned
from wildsage.store.installed import Installed
from wildsage.store.layout import Layout
from wildsage.supervisor.folder import remove_tree
from wildsage.upkeep.ending import RUN_PATIENCE_SECONDS, end_everything, running

EPHEMERAL_PREFIX = "wildsage-"
"""Of the temporary folders of ephemeral servers."""

_START_SECONDS = 60.0
"""So young a lock that nobody holds may be that of a server which is about to."""

_STATE = ("state_database", "telemetry_database", "objects", "logs", "runs", "kept", "upgrades", "backup")
"""What `reset` removes: properties of `Layout`."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A process, a path or a control group."""

    kind: str
    name: str
    what: str


def inventory(layout: Layout, cache: Path) -> list[Thing]:
    """Return all there is of this data directory, of the cache, and of servers that were killed."""
    found = [Thing("process", f"{one.pid} {one.command}".strip(), what) for one, what in running(layout)]
    if layout.root.exists():
        found += [Thing("path", str(path), _what(path.name)) for path in layout.own()]
        found.append(Thing("path", str(layout.root), "the data directory"))
    found += [
        Thing("path", item.path, item.what) for item in Installed(layout).list() if os.path.lexists(item.path)
    ]
    if cache.exists():
        found.append(
            Thing("path", str(cache), "the cache: environments; every data directory of yours uses it")
        )
    found += [
        Thing("path", str(path), "state of an ephemeral server that was killed") for path in _ephemeral()
    ]
    found += [Thing("cgroup", str(path), "of a container that was killed") for path in abandoned_groups()]
    return found + [
        Thing("container", f"{engine.name} {name}", "whose supervisor was killed")
        for engine in ENGINES
        for name in engine.abandoned()
    ]


_WHAT = {
    "state.db": "metadata: jobs, models, endpoints, buckets",
    "telemetry.db": "log index and metrics",
    "objects": "content of stored objects",
    "logs": "logs of jobs and endpoints",
    "runs": "folders of running jobs and endpoint workers",
    "kept": "folders of failed runs",
    "images": "registered images",
    "upgrades": "copies from before upgrades",
    "clients": "trust bundles and profiles that clients were given",
    "authority": "the certificate authority of this installation",
    "credentials.json": "the owner's access key",
    "settings.json": "account, port, region",
    "filesystems.json": "which folders stand for file systems",
    "server.log": "the log of a server in the background",
    "installed.json": "the list of what was put elsewhere",
}


def _what(name: str) -> str:
    return _WHAT.get(name.removesuffix("-wal").removesuffix("-shm"), "of the server")


def reset(layout: Layout, patience: float = RUN_PATIENCE_SECONDS) -> None:
    """Empty the state; keys, authority, settings, registered images and what clients were given stay.

    Raises
    ------
    wildsage.upkeep.ending.StillRunningError
        If a process does not end; nothing was removed then.
    """
    end_everything(layout, patience)
    names = {getattr(layout, name).name for name in _STATE}
    with owned(layout):
        # The metadata first: content without it is swept, metadata without content would be a lie.
        for path in sorted(layout.own(), key=lambda path: not path.name.endswith(("db", "-wal", "-shm"))):
            if any(path.name.removeprefix(".").startswith(name) for name in names):
                _remove(path)
    layout.make()


def uninstall(layout: Layout, cache: Path, patience: float = RUN_PATIENCE_SECONDS) -> list[Path]:
    """End and remove everything of `inventory`; return what is left in the data directory: it is not ours.

    Raises
    ------
    wildsage.upkeep.ending.StillRunningError
        If a process does not end; nothing was removed then.
    """
    end_everything(layout, patience)
    for item in Installed(layout).list():
        _remove(Path(item.path))
    for path in (*_ephemeral(), cache):
        _remove(path)
    for group in abandoned_groups():
        end_group(group)
    for engine in ENGINES:
        for name in engine.abandoned():
            engine.remove(name)
    if not layout.root.exists():
        return []
    with owned(layout):
        for path in layout.own():
            _remove(path)
    left = sorted(layout.root.iterdir())
    if not left:
        layout.root.rmdir()
    return left


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _ephemeral() -> Iterator[Path]:
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{EPHEMERAL_PREFIX}*")):
        layout = Layout(path)
        if not (path.is_dir() and path.stat().st_uid == os.getuid() and layout.lock.exists()):
            continue
        is_starting = SystemClock().now() - layout.lock.stat().st_mtime < _START_SECONDS
        if is_free(layout) and not is_starting:
            yield path
