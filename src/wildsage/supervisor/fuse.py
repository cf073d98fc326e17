"""The kernel's FUSE protocol, as much of it as a tree of unchanging files needs.

Layouts and numbers are those of ``include/uapi/linux/fuse.h``. Nothing is opened: the kernel is told so once and keeps
what it has read. Names and sizes never change, so it keeps these too.
"""

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

_LOOKUP, _FORGET, _GETATTR, _READ, _STATFS = 1, 2, 3, 15, 17
_INIT, _READDIR, _INTERRUPT, _DESTROY, _BATCH_FORGET = 26, 28, 36, 38, 42
_UNANSWERED = frozenset({_FORGET, _INTERRUPT, _BATCH_FORGET})
_ASK_AGAIN = frozenset({errno.EINTR, errno.EAGAIN, errno.ENOENT})
"""What reading a request may end with that the next one does not; ENOENT: the asking was given up."""

# Length, operation, unique, node, user, group, process, extensions, padding.
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")  # length, negative error, unique
_INIT_IN = struct.Struct("<IIII")  # major, minor, readahead, flags
_INIT_OUT = struct.Struct("<IIIIHHIIHHII24x")
_READ_IN = struct.Struct("<QQI")  # handle, offset, size
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("<QQQQII")  # node, generation, and how long entry and attributes hold
_ATTRIBUTES_HOLD = struct.Struct("<QII")
_ENTRY_OF_FOLDER = struct.Struct("<QQII")  # node, next offset, length of the name, type
_STATFS_OUT = struct.Struct("<QQQQQIIII24x")

_MAJOR, _MINOR = 7, 31
_ASYNC_READ, _NO_OPEN, _MAX_PAGES, _NO_OPENDIR = 1 << 0, 1 << 17, 1 << 22, 1 << 24
_PAGES = 256
_READAHEAD = 1 << 20
_LARGEST_REQUEST = 1 << 16
_LARGEST_WRITE = 4096
_HOLDS_SECONDS = 1 << 30
_BLOCK = 512

ROOT = 1


@dataclass(slots=True)
class _Node:
    """A file, by its number among the files, or a folder."""

    parent: int
    size: int = 0
    number: int | None = None
    children: dict[bytes, int] = field(default_factory=dict)


class Tree:
    """Files and their folders.

    Parameters
    ----------
    files
        Sizes by the parts of paths; a file's number is its place here.
    folders
        Further ones, by the parts of their paths.
    """

    def __init__(self, files: Mapping[tuple[str, ...], int], folders: Iterable[tuple[str, ...]] = ()) -> None:
        self.nodes: dict[int, _Node] = {ROOT: _Node(ROOT)}
        for number, (parts, size) in enumerate(files.items()):
            leaf = self.nodes[self._descendant(parts)]
            leaf.number, leaf.size = number, size
        for parts in folders:
            self._descendant(parts)

    def _descendant(self, parts: tuple[str, ...]) -> int:
        node = ROOT
        for part in parts:
            node = self._child(node, part)
        return node

    def _child(self, folder: int, name: str) -> int:
        children = self.nodes[folder].children
        node = children.setdefault(os.fsencode(name), len(self.nodes) + 1)
        self.nodes.setdefault(node, _Node(folder))
        return node


class FuseServer:
    """Answers the kernel.

    Parameters
    ----------
    device
        The descriptor of the mount.
    read
        Returns bytes of a file: number, start, size. An `OSError` is what the reader of the file gets.
    """

    def __init__(self, device: int, tree: Tree, read: Callable[[int, int, int], bytes]) -> None:
        self._device = device
        self._nodes = tree.nodes
        self._read = read
        self._owner = (os.getuid(), os.getgid())
        self._operations: Mapping[int, Callable[[int, bytes], bytes]] = {
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _GETATTR: self._attributes_of,
            _READ: self._content_of,
            _READDIR: self._entries_of,
            _STATFS: lambda _node, _body: _STATFS_OUT.pack(
                0, 0, 0, len(self._nodes), 0, _BLOCK, 255, _BLOCK, 0
            ),
        }

    def serve(self) -> None:
        """Answer until the mount is gone."""
        while True:
            try:
                request = os.read(self._device, _LARGEST_REQUEST)
            except OSError as error:
                if error.errno in _ASK_AGAIN:
                    continue
                return  # ENODEV: unmounted
            if not request:
                return
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        _, operation, unique, node, *_ = _IN.unpack_from(request)
        if operation in _UNANSWERED:
            return
        error, reply = 0, b""
        try:
            if operation != _DESTROY:
                reply = self._operations[operation](node, request[_IN.size :])
        except KeyError:
            error = errno.ENOSYS
        except OSError as failure:
            error = failure.errno or errno.EIO
        try:
            os.writev(self._device, (_OUT.pack(_OUT.size + len(reply), -error, unique), reply))
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # the asking was given up
                raise

    # Operations: node and body of the request, to the body of the reply

    def _init(self, _node: int, body: bytes) -> bytes:
        _, minor, readahead, offered = _INIT_IN.unpack_from(body)
        flags = offered & (_ASYNC_READ | _NO_OPEN | _MAX_PAGES | _NO_OPENDIR)
        return _INIT_OUT.pack(
            _MAJOR, min(minor, _MINOR), min(readahead, _READAHEAD), flags, 16, 12, _LARGEST_WRITE, 1, _PAGES, 0, 0, 0
        )  # fmt: skip

    def _lookup(self, node: int, body: bytes) -> bytes:
        child = self._node(node).children.get(body.split(b"\0", 1)[0])
        if child is None:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return _ENTRY.pack(child, 0, _HOLDS_SECONDS, _HOLDS_SECONDS, 0, 0) + self._attributes(child)

    def _attributes_of(self, node: int, _body: bytes) -> bytes:
        return _ATTRIBUTES_HOLD.pack(_HOLDS_SECONDS, 0, 0) + self._attributes(node)

    def _content_of(self, node: int, body: bytes) -> bytes:
        _, start, size = _READ_IN.unpack_from(body)
        found = self._node(node)
        if found.number is None:
            raise IsADirectoryError(errno.EISDIR, "a folder")
        size = min(size, found.size - start)
        return self._read(found.number, start, size) if size > 0 else b""

    def _entries_of(self, node: int, body: bytes) -> bytes:
        _, start, room = _READ_IN.unpack_from(body)
        found = self._node(node)
        entries = [(b".", node), (b"..", found.parent), *found.children.items()]
        reply = bytearray()
        for place, (name, child) in enumerate(entries[start:], start + 1):
            kind = stat.S_IFMT(self._mode(child)) >> 12
            entry = _ENTRY_OF_FOLDER.pack(child, place, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(reply) + len(entry) > room:
                break
            reply += entry
        return bytes(reply)

    def _node(self, node: int) -> _Node:
        found = self._nodes.get(node)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "no such node")
        return found

    def _mode(self, node: int) -> int:
        return stat.S_IFDIR | 0o555 if self._node(node).number is None else stat.S_IFREG | 0o444

    def _attributes(self, node: int) -> bytes:
        size = self._node(node).size
        blocks = -(-size // _BLOCK)
        return _ATTRIBUTES.pack(
            node, size, blocks, 0, 0, 0, 0, 0, 0, self._mode(node), 1, *self._owner, 0, 4096, 0
        )
