"""Where things lie in the data directory. The only place that joins these paths."""

from dataclasses import dataclass
from pathlib import Path

PINNED = ".backup-"
"""Begins the name of the folder in which a backup holds content files."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files below one data directory.

    Attributes
    ----------
    root
        The data directory. Everything durable is below it; caches are elsewhere.
    """

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the one server that owns this directory."""
        return self.root / "server.lock"

    @property
    def server(self) -> Path:
        """What the running server says of itself: address, process, account (JSON)."""
        return self.root / "server.json"

    @property
    def settings(self) -> Path:
        """What was decided at the first start and stays: account, port; and who was here last (JSON)."""
        return self.root / "settings.json"

    @property
    def server_log(self) -> Path:
        """The log of a server that runs in the background."""
        return self.root / "server.log"

    @property
    def installed(self) -> Path:
        """What was put outside of this directory (JSON; `wildsage.store.installed`)."""
        return self.root / "installed.json"

    @property
    def installed_lock(self) -> Path:
        """Held while `installed` is changed."""
        return self.root / "installed.lock"

    @property
    def state_database(self) -> Path:
        """Metadata."""
        return self.root / "state.db"

    @property
    def telemetry_database(self) -> Path:
        """Log streams, log index and metrics."""
        return self.root / "telemetry.db"

    @property
    def backup(self) -> Path:
        """Begins the names (after a dot) of folders in which running backups hold content files."""
        return self.root / "backup"

    @property
    def upgrades(self) -> Path:
        """Copies of the databases from before their upgrades."""
        return self.root / "upgrades"

    @property
    def credentials(self) -> Path:
        """Access keys made at the first start, readable by the owner alone (JSON)."""
        return self.root / "credentials.json"

    @property
    def authority(self) -> Path:
        """The certificate authority of this installation."""
        return self.root / "authority"

    @property
    def clients(self) -> Path:
        """What unmodified clients are given: trust bundles, profiles; the lock and address of their proxy."""
        return self.root / "clients"

    @property
    def objects(self) -> Path:
        """Content of stored objects."""
        return self.root / "objects"

    def content(self, blob: str) -> Path:
        """Return the content file of an id (`wildsage.store.objects`)."""
        return self.objects / blob[:2] / blob

    @property
    def logs(self) -> Path:
        """Segments of log streams."""
        return self.root / "logs"

    @property
    def runs(self) -> Path:
        """One folder for each launch of a job or of an endpoint's worker."""
        return self.root / "runs"

    @property
    def kept(self) -> Path:
        """Folders of failed runs, kept for a while (`wildsage.supervisor.kept`)."""
        return self.root / "kept"

    @property
    def images(self) -> Path:
        """Images the user registered."""
        return self.root / "images"

    @property
    def file_systems(self) -> Path:
        """Which folders of this machine stand for file systems (JSON; `wildsage.store.file_systems`)."""
        return self.root / "filesystems.json"

    def own(self) -> list[Path]:
        """Return what lies in the directory and is ours: what a property names, and what belongs to such a file.

        Somebody may have put other things there.
        """
        names = {value.name for name in dir(type(self)) if isinstance(value := _property(self, name), Path)}
        return sorted(path for path in self.root.iterdir() if _stem(path.name) in names)

    def make(self) -> None:
        """Make the folders that are absent, readable by the owner alone."""
        for folder in (
            self.root, self.authority, self.clients, self.objects, self.logs, self.runs, self.kept, self.images,
        ):  # fmt: skip
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _property(layout: Layout, name: str) -> object:
    return getattr(layout, name) if isinstance(getattr(Layout, name), property) else None


def _stem(name: str) -> str:
    """Return the file that a log of a database, an older log or a temporary file belongs to."""
    plain = name.removeprefix(".")
    for suffix in ("-wal", "-shm", ".1", ".incomplete"):
        plain = plain.removesuffix(suffix)
    head, _, last = plain.rpartition(".")
    if name.startswith(".") and last.isdigit():  # .NAME.PID
        return head
    return "backup" if plain.startswith("backup-") and name.startswith(".") else plain
