"""Isolated containers that reach each other and nobody else, in every backend that has networks."""

import socket
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from wildsage.compute.base import Container, Mount, UnavailableError
from wildsage.compute.containers import can_share_network
from wildsage.compute.shared_network import SOCKET_NAME, receive, start_holder

from .conftest import ENGINE_BACKENDS
from .test_contract import interpreter

CALL = """
import socket, sys, time
for attempt in range(400):
    try:
        print(socket.create_connection(("127.9.8.1", 7777), 5).recv(10).decode(), flush=True)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    print("out")
except OSError:
    print("nobody else")
"""
ANSWER = """
import socket
with socket.create_server(("127.9.8.1", 7777)) as listener:
    listener.accept()[0].sendall(b"peer")
"""


def never():
    """There is nothing that ends the wait but the network."""


@pytest.fixture
def sharing(private, tmp_path):
    if private.sandbox in ENGINE_BACKENDS and not can_share_network(private.sandbox.name):
        pytest.skip(f"{private.sandbox.name} of this user has no such network, and says so")
    for name, program in (("answer.py", ANSWER), ("call.py", CALL)):
        (private.folder / name).write_text(textwrap.dedent(program))
    (private.folder / "held").mkdir()
    return private


def start(bench, network, program, *arguments):
    mounts = (Mount(str(bench.folder / program), f"/{program}"), *interpreter())
    words = " ".join(map(str, arguments))
    return bench.start(f"{sys.executable} /{program} {words}", mounts=mounts, isolated=True, network=network)


def test_two_containers_reach_each_other_and_nobody_else(sharing):
    held = sharing.folder / "held"
    start_holder(held, 2)
    with socket.create_server(("127.0.0.1", 0)) as outside:
        networks = [receive(held, never), receive(held, never)]
        first = start(sharing, networks[0], "answer.py")
        second = start(sharing, networks[1], "call.py", outside.getsockname()[1])
        for network in networks:
            network.close()
        assert second.read_until().split("\n")[:2] == ["peer", "nobody else"]
        assert (first.wait(), second.wait()) == (0, 0)


def test_who_waits_for_a_holder_that_does_not_come_can_be_called_off(tmp_path):
    def stop():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        receive(tmp_path, stop)


def test_an_engine_that_has_no_such_network_says_so(tmp_path):
    docker = next(backend for backend in ENGINE_BACKENDS if backend.name == "docker")
    start_holder(tmp_path, 1)
    network = receive(tmp_path, never)
    container = Container(("true",), {}, tmp_path, isolated=True, network=network)
    with pytest.raises(UnavailableError, match="only podman of root does"):
        docker.launch(container, 1, 1)
    network.close()


def test_a_holder_ends_when_all_have_come_or_its_folder_is_gone(tmp_path):
    for name, count in (("served", 1), ("gone", 2)):
        folder = tmp_path / name
        folder.mkdir()
        start_holder(folder, count)
        receive(folder, never).close()
        (folder / SOCKET_NAME).unlink()
        until(lambda folder=folder: not holders_of(folder))


def holders_of(folder):
    """Return the processes that hold for a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder).encode() in path.read_bytes():
                found.append(path)
    return found


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
