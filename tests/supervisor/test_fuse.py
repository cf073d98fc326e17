"""The protocol without a kernel: requests in, replies out of a pair of sockets."""

import errno
import socket
import stat
import struct
import threading

import pytest

from wildsage.supervisor.fuse import ROOT, FuseServer, Tree

FILES = {("a",): b"first", ("d", "b"): b"second!", ("d", "e", "ü"): b""}


@pytest.fixture
def ask():
    contents = list(FILES.values())

    def read(number, start, size):
        if number == 1 and start == 6:
            raise OSError(errno.EIO, "gone")
        return contents[number][start : start + size]

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = FuseServer(
        theirs.fileno(), Tree({parts: len(content) for parts, content in FILES.items()}), read
    )
    thread = threading.Thread(target=server.serve)
    thread.start()

    def asked(operation, node=ROOT, body=b"", answered=True):
        ours.send(struct.pack("<IIQQIIIHH", 40 + len(body), operation, 7, node, 0, 0, 0, 0, 0) + body)
        if not answered:
            return None
        reply = ours.recv(1 << 20)
        length, error, unique = struct.unpack_from("<IiQ", reply)
        assert (length, unique) == (len(reply), 7)
        return -error if error else reply[16:]

    yield asked
    ours.close()
    thread.join(5)
    theirs.close()


def lookup(ask, *names):
    node = ROOT
    for name in names:
        node = struct.unpack_from("<Q", ask(1, node, name.encode() + b"\0"))[0]
    return node


def test_the_versions_are_settled_and_only_known_flags_taken(ask):
    reply = ask(26, body=struct.pack("<IIII", 7, 45, 1 << 17, 0xFFFFFFFF) + bytes(48))
    major, minor, _, flags = struct.unpack_from("<IIII", reply)
    assert (len(reply), major, minor) == (64, 7, 31)
    assert flags == 1 | 1 << 17 | 1 << 22 | 1 << 24


def test_names_lead_to_attributes(ask):
    reply = ask(1, lookup(ask, "d"), b"b\0")
    assert len(reply) == 128
    size, mode = struct.unpack_from("<Q", reply, 48)[0], struct.unpack_from("<I", reply, 40 + 60)[0]
    assert (size, mode) == (7, stat.S_IFREG | 0o444)
    attributes = ask(3, lookup(ask, "d", "e"))
    assert (len(attributes), struct.unpack_from("<I", attributes, 16 + 60)[0]) == (104, stat.S_IFDIR | 0o555)
    assert ask(1, ROOT, b"absent\0") == errno.ENOENT
    assert ask(3, 99) == errno.ENOENT


def test_content_ends_where_the_file_ends(ask):
    def read(node, start, size):
        return ask(15, node, struct.pack("<QQI", 0, start, size) + bytes(20))

    node = lookup(ask, "d", "b")
    assert read(node, 2, 3) == b"con"
    assert read(node, 0, 4096) == b"second!"
    assert read(node, 7, 10) == read(node, 70, 10) == read(lookup(ask, "d", "e", "ü"), 0, 10) == b""
    assert read(node, 6, 1) == errno.EIO
    assert read(lookup(ask, "d"), 0, 1) == errno.EISDIR


def test_a_folder_is_listed_in_portions(ask):
    def entries(start, room):
        body, found = ask(28, ROOT, struct.pack("<QQI", 0, start, room) + bytes(20)), []
        while body:
            _, following, length, kind = struct.unpack_from("<QQII", body)
            found.append((body[24 : 24 + length].decode(), following, kind))
            body = body[(24 + length + 7) // 8 * 8 :]
        return found

    assert entries(0, 4096) == [(".", 1, 4), ("..", 2, 4), ("a", 3, 8), ("d", 4, 4)]
    assert entries(2, 40) == [("a", 3, 8)]
    assert entries(4, 4096) == []


def test_what_is_not_spoken_is_said_and_what_wants_no_answer_gets_none(ask):
    assert ask(14) == ask(22) == ask(16) == errno.ENOSYS
    ask(2, answered=False)
    ask(42, answered=False)
    assert len(ask(17)) == 80
