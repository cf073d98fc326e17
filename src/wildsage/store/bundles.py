"""Where a backup goes and comes from: one tar file or a folder, the same entries in both.

The last entry is the manifest: every file with its size and SHA-256. Without it a bundle is not complete; it
appears under its name only then.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

MANIFEST = "manifest.json"
FORMAT = 1

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 30
Kind = Literal["file", "folder", "link"]


class Content(Protocol):
    """What a file's bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


class BundleError(Exception):
    """A bundle cannot be written or read. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or symbolic link of a bundle.

    Attributes
    ----------
    name
        Relative, with slashes.
    target
        Of a link.
    """

    name: str
    kind: Kind
    mode: int = 0o600
    size: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes
    ----------
    version
        Of the Wildsage that wrote it.
    schemas
        Number of the schema by database.
    digests
        SHA-256 by name of the file.
    """

    version: str
    created: str
    schemas: Mapping[str, int]
    digests: Mapping[str, str]
    format: int = FORMAT

    @classmethod
    def read(cls, content: bytes) -> "Manifest":
        """Read one.

        Raises
        ------
        BundleError
            If it is none that this Wildsage understands.
        """
        try:
            raw: dict[str, Any] = json.loads(content)
            if raw["format"] != FORMAT:
                raise BundleError(
                    f"the backup has format {raw['format']}, this Wildsage reads {FORMAT}: use the one that wrote it"
                )
            return cls(**raw)
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"the backup's {MANIFEST} is damaged ({error!r})") from None


class Sink(ABC):
    """Takes entries in. `digests` has those of the files so far."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def add_file(self, entry: Entry, content: Content) -> str:
        """Store a file of exactly ``entry.size`` bytes and return its digest."""
        hashing = _Hashing(content)
        self._write(entry, hashing)
        if hashing.size != entry.size:
            raise BundleError(
                f"{entry.name} ended after {hashing.size} of {entry.size} bytes while it was copied"
            )
        self.digests[entry.name] = hashing.digest
        return hashing.digest

    @abstractmethod
    def add(self, entry: Entry) -> None:
        """Store a folder or a link."""

    @abstractmethod
    def _write(self, entry: Entry, content: "_Hashing") -> None: ...

    @abstractmethod
    def finish(self) -> None:
        """Make everything durable."""

    def close_with(self, manifest: Manifest) -> None:
        """Store the manifest and finish."""
        content = json.dumps(asdict(manifest)).encode()
        self._write(Entry(MANIFEST, "file", size=len(content)), _Hashing(io.BytesIO(content)))
        self.finish()


class TarSink(Sink):
    """A tar file. It is not compressed: artifacts are already."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `finish`

    def add(self, entry: Entry) -> None:
        """Store a folder or a link."""
        self._tar.addfile(_tar_info(entry))

    def _write(self, entry: Entry, content: "_Hashing") -> None:
        try:
            self._tar.addfile(_tar_info(entry), content)
        except tarfile.TarError as error:
            raise BundleError(f"{entry.name} cannot be stored: {error}") from error
        except OSError as error:
            if error.errno is None:  # tarfile's word for a file that was cut meanwhile
                raise BundleError(f"{entry.name} became shorter while it was copied") from error
            raise

    def finish(self) -> None:
        """Write the end of the archive."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


class FolderSink(Sink):
    """A folder, which is made. Links in it may lead anywhere; nothing is written through them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.mkdir(mode=0o700)
        self._root = path
        self._modes: list[tuple[Path, int]] = []

    def add(self, entry: Entry) -> None:
        """Store a folder or a link."""
        place = self._place(entry)
        if entry.kind == "link":
            place.symlink_to(entry.target)
        else:
            place.mkdir(mode=0o700, exist_ok=True)
            self._modes.append((place, entry.mode))  # set at the end: one that is closed takes no files

    def _write(self, entry: Entry, content: "_Hashing") -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._place(entry), flags, 0o600), "wb") as file:
            left = entry.size
            while left and (chunk := content.read(min(_CHUNK, left))):
                file.write(chunk)
                left -= len(chunk)
            os.fchmod(file.fileno(), entry.mode)

    def _place(self, entry: Entry) -> Path:
        place = self._root / checked_name(entry.name)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if Path(os.path.realpath(place.parent)) != Path(
            os.path.realpath(self._root)
        ) / place.parent.relative_to(self._root):
            raise BundleError(f"{entry.name!r} of the backup leads through a link")
        return place

    def finish(self) -> None:
        """Set the folders' modes and write everything to the disk."""
        for place, mode in reversed(self._modes):
            place.chmod(mode)
        os.sync()


class _Hashing:
    """Reads and hashes."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._content.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


def read_entries(bundle: Path) -> Iterator[tuple[Entry, Content]]:
    """Yield the entries of a bundle, its manifest last; each content is to be read before the next entry.

    Raises
    ------
    BundleError
        If it is no bundle.
    """
    return _folder_entries(bundle) if bundle.is_dir() else _tar_entries(bundle)


def transfer(bundle: Path, sink: Sink) -> Manifest:
    """Put every entry of a bundle into a sink, except the manifest; check each digest, and return the manifest.

    Raises
    ------
    BundleError
        If an entry is damaged, missing, or not of the bundle.
    """
    manifest: Manifest | None = None
    for entry, content in read_entries(bundle):
        if entry.name == MANIFEST:
            manifest = Manifest.read(content.read(_LARGEST_MANIFEST))
        elif entry.kind == "file":
            sink.add_file(entry, content)
        else:
            sink.add(entry)
    if manifest is None:
        raise BundleError(f"{bundle} has no {MANIFEST}: it is no backup, or the backup was interrupted")
    for name, digest in manifest.digests.items():
        if sink.digests.get(name) != digest:
            state = "damaged" if name in sink.digests else "missing"
            raise BundleError(f"{name} is {state} in {bundle}: restore another backup")
    if extra := sink.digests.keys() - manifest.digests.keys():
        raise BundleError(f"{min(extra)} does not belong to {bundle}: somebody put it there")
    return manifest


class CheckSink(Sink):
    """Stores nothing: for a bundle that is only to be verified."""

    def add(self, entry: Entry) -> None:
        """Check the name."""
        checked_name(entry.name)

    def _write(self, entry: Entry, content: _Hashing) -> None:
        left = entry.size
        while left and (chunk := content.read(min(_CHUNK, left))):
            left -= len(chunk)

    def finish(self) -> None:
        """Do nothing."""


def checked_name(name: str) -> str:
    """Return a name that stays below its folder.

    Raises
    ------
    BundleError
        If it does not.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BundleError(f"{name!r} of the backup would leave the data directory")
    return name


def walk(folder: Path, name: str) -> Iterator[tuple[Entry, Path]]:
    """Yield what lies below a folder as entries whose names begin with `name`; sockets and devices are left out."""
    with contextlib.suppress(FileNotFoundError):  # it went while we looked
        for item in sorted(os.scandir(folder), key=lambda item: item.name):
            entry = entry_of(Path(item.path), f"{name}/{item.name}" if name else item.name)
            if entry is not None:
                yield entry, Path(item.path)
            if entry is not None and entry.kind == "folder":
                yield from walk(Path(item.path), entry.name)


def entry_of(path: Path, name: str) -> Entry | None:
    """Return the entry of a path; None of what cannot be stored."""
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry(name, "link", target=str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Entry(name, "folder", mode)
    return Entry(name, "file", mode, status.st_size) if stat.S_ISREG(status.st_mode) else None


def discard(bundle: Path) -> None:
    """Remove a bundle that is not complete."""
    if bundle.is_dir():
        shutil.rmtree(bundle, ignore_errors=True)
    else:
        bundle.unlink(missing_ok=True)


def _folder_entries(folder: Path) -> Iterator[tuple[Entry, Content]]:
    last: tuple[Entry, Path] | None = None
    for entry, path in walk(folder, ""):
        if entry.name == MANIFEST:
            last = entry, path
        elif entry.kind == "file":
            with path.open("rb") as content:
                yield entry, content
        else:
            yield entry, io.BytesIO()
    if last is not None:
        with last[1].open("rb") as content:
            yield last[0], content


def _tar_entries(path: Path) -> Iterator[tuple[Entry, Content]]:
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                yield _tar_entry(member), content or io.BytesIO()
    except (tarfile.TarError, EOFError) as error:
        raise BundleError(f"{path} is no backup, or damaged: {error}") from error


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    mode = stat.S_IMODE(member.mode)
    if member.isreg():
        return Entry(member.name, "file", mode, member.size)
    if member.isdir():
        return Entry(member.name, "folder", mode)
    if member.issym():
        return Entry(member.name, "link", target=member.linkname)
    raise BundleError(f"{member.name!r} of the backup is neither file, folder nor link")


def _tar_info(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.name)
    info.mode, info.size, info.linkname = entry.mode, entry.size, entry.target
    info.type = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[entry.kind]
    return info
