"""Pack what a container left behind into tar archives, following no link."""

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_COMPRESSION_LEVEL = 6


def pack(folder: Path | None, archive: Path) -> int:
    """Pack a folder's content (None: nothing) into a gzipped tar and return the archive's size.

    Symbolic links are stored as links, so nothing outside the folder is read; sockets, FIFOs and devices
    are left out. Members belong to root, are sorted, and keep modes and times. The archive is on disk when
    this returns.
    """
    with archive.open("wb") as file:
        with (
            gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, file, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w|", bufsize=_CHUNK_BYTES) as tar,
        ):
            if folder is not None:
                for path in walk(folder):
                    _add(tar, path, path.relative_to(folder).as_posix())
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


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
