"""Connections cross the border of a network. The suite of the supervisor does it with containers."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wildsage.compute import gate

SCRIPT = Path(gate.__file__)


def opened(path, port, process):
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path), str(port), "0", str(process)],
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def door(tmp_path):
    """A gate into our own network: a path longer than an address, the port behind it."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        process = opened(folder / "door", server.getsockname()[1], os.getpid())
        deadline = time.monotonic() + 20
        while not (folder / "door").exists():
            if process.poll() is not None:
                pytest.skip("this user may not enter networks")
            assert time.monotonic() < deadline
        yield folder / "door", server
        process.kill()
        process.communicate()


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    folder = os.open(path.parent, os.O_PATH)
    client.connect(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)
    return client


def test_bytes_go_both_ways_and_so_does_the_end(door):
    path, server = door
    content = os.urandom(3 << 20)
    with connected(path) as client:
        inner, _ = server.accept()
        with inner:
            client.sendall(b"request")
            client.shutdown(socket.SHUT_WR)
            assert inner.makefile("rb").read() == b"request"
            inner.sendall(content)
        assert client.makefile("rb").read() == content


def test_connections_do_not_wait_for_each_other(door):
    path, server = door
    with connected(path) as first, connected(path) as second:
        pairs = [server.accept()[0] for _ in range(2)]
        second.sendall(b"2")
        first.sendall(b"1")
        assert {inner.recv(1) for inner in pairs} == {b"1", b"2"}
        for inner in pairs:
            inner.close()


def test_where_nobody_listens_the_connection_ends(door):
    path, server = door
    server.close()
    with connected(path) as client:
        assert client.recv(1) == b""


def test_a_network_that_cannot_be_entered_is_said(tmp_path):
    process = opened(tmp_path / "door", 8080, 4_194_305)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"the container's port 8080 cannot be reached" in said
    assert not (tmp_path / "door").exists()
