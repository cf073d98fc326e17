"""A network that several isolated containers share: their own loopback, and nothing else.

The containers of a job are launched by processes that know nothing of each other. A holder, one more process, makes the
namespaces and hands descriptors of them to whoever connects to its socket; a namespace lives as long as somebody has
one.
"""

import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOCKET_NAME = "network.sock"
_HOLDER = "wildsage.compute.network_holder"
_RETRY_SECONDS = 0.05
_DESCRIPTORS = 2


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """Descriptors of a network namespace and of the user namespace that owns it."""

    network: int
    user: int

    def join(self) -> None:
        """Move this process, of one thread, into the network."""
        libc = ctypes.CDLL(None, use_errno=True)
        # Root needs no rights that the user namespace would give, and would lose its own in it.
        for namespace in (self.network,) if os.geteuid() == 0 else (self.user, self.network):
            if libc.setns(namespace, 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        """Let go of it."""
        os.close(self.network)
        os.close(self.user)


def start_holder(folder: Path, count: int) -> None:
    """Start the holder of a folder, for so many who will come. It outlives this process.

    Raises
    ------
    OSError, subprocess.SubprocessError
        If it does not start.
    """
    holder = [sys.executable, "-m", _HOLDER, str(folder), str(count)]
    subprocess.run(["/bin/sh", "-c", '"$@" &', "sh", *holder], check=True, cwd="/", stdin=subprocess.DEVNULL)


def receive(folder: Path, check: Callable[[], None]) -> SharedNetwork:
    """Return the network of a folder's holder, waiting until there is one.

    Parameters
    ----------
    check
        Called between two looks; what it raises ends the wait.
    """
    while True:
        with address_in(folder) as address, socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(address)
                return _received(client)
            except (FileNotFoundError, ConnectionRefusedError, EOFError):
                pass
        check()
        time.sleep(_RETRY_SECONDS)


def _received(client: socket.socket) -> SharedNetwork:
    _, descriptors, _, _ = socket.recv_fds(client, 1, _DESCRIPTORS)
    if len(descriptors) != _DESCRIPTORS:
        raise EOFError
    return SharedNetwork(*descriptors)


@contextmanager
def address_in(folder: Path) -> Iterator[str]:
    """Yield the socket's address: it holds 107 bytes, so a long path goes through a descriptor of its folder."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
