"""Extract tar archives that nobody trusts: models, code. On the standard library alone, as containers run it.

What is refused: names that leave the target, absolute names, NUL; links, devices and FIFOs that
point or are anywhere else; setuid and setgid bits; more members or bytes than the quota, and contents that
claim to be far larger than what was read. Nothing is written outside the target, whatever the archive says.
"""

import errno
import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

_CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_HEADER = 1 << 20
_LARGEST_PADDING = 1 << 20
_EXTENDED_HEADERS = frozenset(
    (
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )
)  # fmt: skip
_IMPOSSIBLE_NAMES = frozenset(
    (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
)
_RATIO_FREE_BYTES = 64 * 1024 * 1024  # below this, zeros may compress as well as they like


class ArchiveError(Exception):
    """The archive is refused. The text names the member and the rule."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one archive may become.

    Attributes
    ----------
    ratio
        Largest quotient of extracted and archived bytes, beyond the first 64 MiB. Deflate reaches 1,032.
    """

    members: int = 200_000
    total_bytes: int = 200 * 1024**3
    ratio: float = 300.0


DEFAULT_QUOTA = Quota()


def extract(archive: Path, target: Path, quota: Quota = DEFAULT_QUOTA) -> int:
    """Extract an archive, compressed with gzip or not, below `target` and return the number of bytes.

    Raises
    ------
    ArchiveError
        If the archive is malformed or breaks a rule. What was extracted before stays.
    """
    root = target.resolve()
    room = _Room(quota, archive.stat().st_size)
    try:
        with _content(archive) as content:
            with tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK_BYTES, tarinfo=Member) as tar:
                for member in tar:
                    room.take(member)
                    with _blamed(member):
                        _extract_member(tar, member, root)
            _check_end(content)
    # tarfile lets through what Python says of numbers that are none, or too large for a file's time.
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        RecursionError,
        ArithmeticError,
        ValueError,
    ) as error:
        raise ArchiveError(f"the archive is damaged: {error}") from error
    return room.bytes


@contextmanager
def _blamed(member: tarfile.TarInfo) -> Iterator[None]:
    """Tell a member that cannot be a file there (a file that is another's folder, say) from a disk in trouble."""
    try:
        yield
    except OSError as error:
        if error.errno in _IMPOSSIBLE_NAMES:
            raise ArchiveError(f"member {member.name!r} cannot be there: {error.strerror}") from error
        raise


def _content(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    # Not tarfile's own "r|gz", which does not verify the checksum at the end.
    return cast("IO[bytes]", gzip.open(archive, "rb")) if compressed else archive.open("rb")


def _check_end(content: IO[bytes]) -> None:
    """Read on to the checksum. Behind a tar's end is padding, not data."""
    padding = 0
    while chunk := content.read(_CHUNK_BYTES):
        padding += len(chunk)
        if padding > _LARGEST_PADDING:
            raise ArchiveError("the archive goes on behind its end")


class Member(tarfile.TarInfo):
    """Refuses headers that tarfile would take for the end, or read into memory whatever their size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header."""
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if bytes(buf).strip(b"\0"):  # neither the end of the file nor the mark of the end
                raise ArchiveError(f"the archive is damaged: {error}") from error
            raise
        if member.type in _EXTENDED_HEADERS and member.size > _LARGEST_HEADER:
            raise ArchiveError(f"the archive has an extended header of {member.size} bytes")
        return member


class _Room:
    """What is left of a quota."""

    def __init__(self, quota: Quota, archived: int) -> None:
        self._quota = quota
        self._archived = archived
        self._members = 0
        self.bytes = 0

    def take(self, member: tarfile.TarInfo) -> None:
        self._members += 1
        self.bytes += max(0, member.size)
        if self._members > self._quota.members:
            raise ArchiveError(f"the archive has more than {self._quota.members} members")
        if self.bytes > self._quota.total_bytes:
            raise ArchiveError(f"the archive extracts to more than {self._quota.total_bytes} bytes")
        if self.bytes > _RATIO_FREE_BYTES + self._quota.ratio * self._archived:
            raise ArchiveError(
                f"the archive of {self._archived} bytes extracts to more than {self._quota.ratio:.0f} times"
                " its size"
            )


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    place = _place(member, root)
    if place == root:
        return
    if member.mode & (stat.S_ISUID | stat.S_ISGID) and not member.isdir():
        raise ArchiveError(f"member {member.name!r} is setuid or setgid: models have no such files")
    if member.isdir():
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif member.isreg():
        _write_file(tar, member, place)
    elif member.issym():
        _write_symlink(member, place, root)
    elif member.islnk():
        _write_link(member, place, root)
    else:
        raise ArchiveError(f"member {member.name!r} is a device or FIFO: an archive holds files and folders")


def _place(member: tarfile.TarInfo, root: Path) -> Path:
    """Return where a member goes. Its folder, links resolved, must lie inside the target."""
    name = member.name
    if "\0" in name or name.startswith("/") or ".." in name.split("/"):
        raise ArchiveError(f"member {name!r} leaves the target: names are relative and without '..'")
    place = root.joinpath(*(part for part in name.split("/") if part != "."))
    if place == root:
        return root
    if not real_path(place.parent).is_relative_to(root):
        raise ArchiveError(f"member {name!r} leaves the target through a link")
    return place


def real_path(path: Path) -> Path:
    """Resolve links, also where they lead in a circle: `Path.resolve` raises there in some versions of Python."""
    return Path(os.path.realpath(path))


def _make_way(place: Path) -> None:
    """Let a later member replace an earlier one: opening an existing link would follow it."""
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if place.is_symlink() or place.is_file():
        place.unlink()


def _write_file(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    _make_way(place)
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"member {member.name!r} has no content")
    mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
        written = file.tell()
    if written != member.size:
        raise ArchiveError(f"member {member.name!r} ends after {written} of {member.size} bytes")
    os.utime(place, (member.mtime, member.mtime))


def _write_symlink(member: tarfile.TarInfo, place: Path, root: Path) -> None:
    target = member.linkname
    if "\0" in target or target.startswith("/") or not real_path(place.parent / target).is_relative_to(root):
        raise ArchiveError(f"member {member.name!r} links to {target!r}, outside the target")
    _make_way(place)
    place.symlink_to(target)


def _write_link(member: tarfile.TarInfo, place: Path, root: Path) -> None:
    name = member.linkname
    there = root / name
    if "\0" in name or name.startswith("/") or ".." in name.split("/"):
        raise ArchiveError(f"member {member.name!r} links to {name!r}, outside the target")
    if there.is_symlink() or not real_path(there).is_relative_to(root) or not there.is_file():
        raise ArchiveError(f"member {member.name!r} links to {name!r}, which is no file before it")
    if place != there:
        _make_way(place)
        place.hardlink_to(there)
