"""Builds the preload shim, tells it when to fail, reads what it recorded."""

import functools
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("shim.c")
_CONTROL = struct.Struct("=qqqq1000s")
_RECORD = struct.Struct("=QQIIIc3x")
OFF, FULL, BROKEN = range(3)


@functools.cache
def library() -> Path:
    """The compiled shim; a test without it is skipped."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux"):
        pytest.skip("the shim is written for Linux")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the preload shim with")
    built = Path(tempfile.mkdtemp(prefix="disk-shim-")) / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(_SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the preload shim does not build here: {done.stderr[-500:]}")
    return built


class Disk:
    """The disk below one folder, as processes with `environment` see it."""

    def __init__(self, root: Path, folder: Path, *, traced: bool = False) -> None:
        self.root = root
        block = folder / "disk.control"
        block.write_bytes(bytes(_CONTROL.size))
        self._file = block.open("r+b")
        self._block = mmap.mmap(self._file.fileno(), _CONTROL.size)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "DISK_ROOT": str(root),
            "DISK_CONTROL": str(block),
        }
        self.trace = folder / "disk.trace"
        if traced:
            self.environment["DISK_TRACE"] = str(self.trace)

    def fill(self, match: str = "", *, exactly: bool = False) -> None:
        """No file whose path below the root begins with `match` (or is exactly that) grows from now on."""
        self._set(FULL, 0, match, exactly=exactly)

    def break_after(self, calls: int, match: str = "") -> None:
        """After so many writes and syncs, one fails with an I/O error; then the disk works again."""
        self._set(BROKEN, calls, match)

    def mend(self) -> int:
        """Everything works; returns how many calls had failed."""
        hits = self.hits
        self._set(OFF, 0, "")
        return hits

    @property
    def hits(self) -> int:
        hits: int = _CONTROL.unpack(self._block[:])[2]
        return hits

    def close(self) -> None:
        """Let go of the control block."""
        self._block.close()
        self._file.close()

    def _set(self, mode: int, countdown: int, match: str, *, exactly: bool = False) -> None:
        # The mode last: it arms the rest.
        rest = _CONTROL.pack(0, countdown, 0, exactly, os.fsencode(f"{self.root}/{match}"))
        self._block[:8] = bytes(8)
        self._block[8:] = rest[8:]
        self._block[:8] = struct.pack("=q", mode)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was carried out: ``w``\\ rite, ``t``\\ runcate, ``s``\\ ync, ``c``\\ reate, ``r``\\ ename, ``l``\\ ink,
    ``u``\\ nlink, ``m``\\ kdir; or ``x``: what is about to be sent to a client."""

    kind: str
    inode: int
    offset: int
    path: str
    other: str
    data: bytes


def read_calls(trace: Path) -> Iterator[Call]:
    """Yield the calls in their order."""
    content = memoryview(trace.read_bytes())
    at = 0
    while at + _RECORD.size <= len(content):
        inode, offset, path, other, data, kind = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        ends = (at + path, at + path + other, at + path + other + data)
        yield Call(
            kind.decode(), inode, offset, os.fsdecode(bytes(content[at : ends[0]])),
            os.fsdecode(bytes(content[ends[0] : ends[1]])), bytes(content[ends[1] : ends[2]]),
        )  # fmt: skip
        at = ends[2]


class Platter:
    """What is on a disk after a power cut: a file has the content of its last sync, a folder the names of its last.

    That is the least that POSIX promises; real file systems keep more. Everything outside of `root` is as it was.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._content: dict[int, bytearray] = {}
        self._synced: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        self._folders: set[str] = {self._root}
        self._synced_names: dict[str, int] = {}
        self._synced_folders: set[str] = {self._root}

    def begin_with(self, folders: list[Path], files: dict[Path, bytes]) -> None:
        """Know what was on the disk before."""
        self._folders |= {str(path) for path in folders}
        for path, content in files.items():
            inode = path.stat().st_ino
            self._names[str(path)] = inode
            self._content[inode] = bytearray(content)
            self._synced[inode] = content
        self._synced_folders, self._synced_names = set(self._folders), dict(self._names)

    def carry_out(self, call: Call) -> None:
        """Do what a process did."""
        getattr(self, f"_{call.kind}")(call)

    def _w(self, call: Call) -> None:
        content = self._content.setdefault(call.inode, bytearray())
        content.extend(bytes(max(0, call.offset - len(content))))
        content[call.offset : call.offset + len(call.data)] = call.data

    def _t(self, call: Call) -> None:
        content = self._content.setdefault(call.inode, bytearray())
        del content[call.offset :]
        content.extend(bytes(call.offset - len(content)))

    def _s(self, call: Call) -> None:
        if call.path not in self._folders:
            self._synced[call.inode] = bytes(self._content.get(call.inode, b""))
            return
        elsewhere = {path: inode for path, inode in self._synced_names.items() if _parent(path) != call.path}
        here = {path: inode for path, inode in self._names.items() if _parent(path) == call.path}
        self._synced_names = elsewhere | here
        self._synced_folders = (
            {path for path in self._synced_folders if _parent(path) != call.path}
            | {path for path in self._folders if _parent(path) == call.path}
            | {self._root}
        )

    def _c(self, call: Call) -> None:
        self._names[call.path] = call.inode
        self._content[call.inode] = bytearray()  # a number may be of a file that is gone
        self._synced.pop(call.inode, None)

    def _r(self, call: Call) -> None:
        if call.path in self._folders:
            self._move(call.path, call.other)
        elif call.path in self._names:
            self._names[call.other] = self._names.pop(call.path)

    def _move(self, old: str, new: str) -> None:
        def moved(path: str) -> str:
            return new + path[len(old) :] if path == old or path.startswith(old + "/") else path

        self._folders = {moved(path) for path in self._folders}
        self._names = {moved(path): inode for path, inode in self._names.items()}

    def _l(self, call: Call) -> None:
        self._names[call.other] = call.inode

    def _u(self, call: Call) -> None:
        self._names.pop(call.path, None)
        self._folders.discard(call.path)

    def _m(self, call: Call) -> None:
        self._folders.add(call.path)

    def _x(self, call: Call) -> None:
        """Nothing happens on the disk."""

    def write(self, target: Path) -> Path:
        """Make a folder of what is there."""
        target.mkdir(parents=True)
        for path in sorted(self._synced_folders - {self._root}):
            if self._is_reachable(path):
                (target / path[len(self._root) + 1 :]).mkdir()
        for path, inode in self._synced_names.items():
            if self._is_reachable(path):
                (target / path[len(self._root) + 1 :]).write_bytes(self._synced.get(inode, b""))
        return target

    def _is_reachable(self, path: str) -> bool:
        while (path := _parent(path)) != self._root:
            if path not in self._synced_folders:
                return False
        return True


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
