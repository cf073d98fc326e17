"""Processes of this machine as ``/proc`` shows them: who listens, who holds a file, what runs below a folder.

What belongs to another user is not seen; then nothing is said of it.
"""

import contextlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wildsage.store.layout import Layout

_PROC = Path("/proc")
_LISTENS = "0A"
_EVERYWHERE = frozenset({"0" * 8, "0" * 32})
_LOOPBACK = frozenset({"0100007F", "0" * 24 + "01000000", "0" * 16 + "FFFF00000100007F"})


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process.

    Attributes
    ----------
    command
        Its command line, as a shell would take it.
    data_dir
        Of a Wildsage server: the data directory that it owns.
    """

    pid: int
    command: str
    data_dir: Path | None = None


def listening_on(port: int) -> ProcessInfo | None:
    """Return the process that listens on a port of the loopback address; None where nobody is seen."""
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    for pid in _pids():
        links = set(_descriptors(pid))
        if sockets & links:
            locks = [Path(link) for link in links if Path(link).name == Layout(Path()).lock.name]
            return ProcessInfo(pid, command_of(pid), locks[0].parent if locks else None)
    return None


def servers() -> Iterator[ProcessInfo]:
    """Yield the Wildsage servers that run on this machine, those aside that end with whoever started them."""
    for pid in _pids():
        words = arguments_of(pid)
        names = {Path(word).name for word in words}
        if {"wildsage", "up"} <= names and "--ephemeral" not in names:
            for link in map(Path, _descriptors(pid)):
                if link.name == Layout(Path()).lock.name:
                    yield ProcessInfo(pid, shlex.join(words), link.parent)


def command_of(pid: int) -> str:
    """Return a process's command line; empty where it is gone."""
    return shlex.join(arguments_of(pid))


def arguments_of(pid: int) -> list[str]:
    """Return the words of a process's command line; none where it is gone."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words[:-1]]


def processes_about(text: str) -> list[ProcessInfo]:
    """Return the processes that have a word in their command line which begins with `text`; not this one."""
    found = ((pid, arguments_of(pid)) for pid in _pids() if pid != os.getpid())
    return [
        ProcessInfo(pid, shlex.join(words))
        for pid, words in found
        if any(word.startswith(text) for word in words)
    ]


def descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs, and so on."""
    parents: dict[int, list[int]] = {}
    for child in _pids():
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in parentheses may hold anything, parentheses too.
            status = (_PROC / str(child) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(status[1]), []).append(child)
    found: list[int] = []
    queue = [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        status = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return status[0] != "Z"


def _listening_sockets(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == _LISTENS and int(number, 16) == port and address in _EVERYWHERE | _LOOPBACK:
                yield fields[9]


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _descriptors(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(entry.readlink())
