"""Pack what a container left behind into tar archives, following no link."""

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_CHUNK_BYTES = 1 << 20
_COMPRESSION_LEVEL = 6


def pack(folder: Path | None, archive: Path) -> int:
    """Pack a folder's content (None: nothing) into a gzipped tar and return the archive's size.

    Symbolic links are stored as links, so nothing outside the folder is read; sockets, FIFOs and devices
    are left out. Members belong to root, are sorted, and keep modes and times. The archive is on disk when
    this returns.
    """
    with _written(archive) as tar:
        if folder is not None:
            for path in walk(folder):
                _add(tar, path, path.relative_to(folder).as_posix())
    return archive.stat().st_size


@contextmanager
def _written(archive: Path) -> Iterator[tarfile.TarFile]:
    """Write an archive, which is on disk when the block ends."""
    with archive.open("wb") as file:
        with (
            gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, file, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w|", bufsize=_CHUNK_BYTES) as tar,
        ):
            yield tar
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _read(archive: Path) -> Iterator[tarfile.TarFile]:
    with gzip.open(archive) as content, tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK_BYTES) as tar:
        yield tar


def is_empty(archive: Path) -> bool:
    """Tell whether an archive of `pack` has no members."""
    with _read(archive) as tar:
        return tar.next() is None


def join(archives: Sequence[Path], target: Path) -> list[str]:
    """Write the members of all archives of `pack` into one, and return the names of those that are left out.

    Of several members of one name the first stays, and whatever is below a file. Nothing is held in memory but the
    names.
    """
    folders: dict[str, bool] = {}
    left_out = []
    with _written(target) as joined:
        for archive in archives:
            own: set[str] = set()
            with _read(archive) as tar:
                for member in tar:
                    if not _has_place(member, folders) or (member.islnk() and member.linkname not in own):
                        if not (member.isdir() and folders.get(member.name)):
                            left_out.append(member.name)
                        continue
                    own.add(member.name)
                    folders[member.name] = member.isdir()
                    joined.addfile(member, tar.extractfile(member) if member.isreg() else None)
    return left_out


def _has_place(member: tarfile.TarInfo, folders: Mapping[str, bool]) -> bool:
    """Tell whether a member fits beside those that are there, of which it is known whether they are folders."""
    above = (str(parent) for parent in PurePosixPath(member.name).parents)
    return member.name not in folders and all(folders.get(parent, True) for parent in above)


def walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder, sorted, following no link. What its owner closed is opened."""
    with _opened(folder):
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            path = Path(entry.path)
            yield path
            if entry.is_dir(follow_symlinks=False):
                yield from walk(path)


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """Let the owner read a file, or use a folder, of mode 000 for a while."""
    mode = path.lstat().st_mode
    wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR  # files are moved out of folders
    if mode & wanted == wanted:
        yield
        return
    path.chmod(stat.S_IMODE(mode) | wanted)
    try:
        yield
    finally:
        path.chmod(stat.S_IMODE(mode))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(path, name)
    # A socket (None), FIFO or device is no artifact.
    if info is None or not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        return
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    if not info.isreg():
        tar.addfile(info)
        return
    with _opened(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        tar.addfile(info, file)
