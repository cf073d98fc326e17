"""What Wildsage is measured against: moto_server, and an application that uvicorn serves without anything around it.

moto is installed in an environment of its own (``peers.txt``), whose folder ``WILDSAGE_PEERS`` names.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from benchmarks import cores
from benchmarks.wire import Address

_PEERS = os.environ.get("WILDSAGE_PEERS")
ECHO = Path(__file__).with_name("echo.py")


class Peer:
    """A server at a port of this machine, on the server's core."""

    def __init__(self, *command: str) -> None:
        self._port = _free_port()
        self._command = [part.format(port=self._port) for part in command]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> Address:
        return "127.0.0.1", self._port

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=cores.on_server_core(),  # noqa: PLW1509 - this process has no threads
        )
        while self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                return self
            time.sleep(0.05)
        raise RuntimeError(f"{' '.join(self._command)} ended with {self._process.returncode}")

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.wait()


def moto() -> Peer:
    """Return a moto_server.

    Raises
    ------
    SystemExit
        If nobody says where its environment is.
    """
    if not _PEERS:
        raise SystemExit("WILDSAGE_PEERS names no environment of benchmarks/peers.txt: run `make bench`")
    return Peer(str(Path(_PEERS).absolute() / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", "{port}")


def bare_echo() -> Peer:
    """Return the echo application under uvicorn, as fast as uvicorn is."""
    return Peer(sys.executable, str(ECHO), "{port}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
