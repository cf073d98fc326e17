"""Commands on the other hosts of a job: what ssh is elsewhere, for launchers that start processes there.

A host *serves* its peers: it runs what they ask for in the environment that its own script would have, until one of them
says that the job is done. A peer proves that it knows the job's secret, and so does the host (`multiprocessing.connection`),
without the secret going over the wire. One connection is one command; when it ends, so does the command.

| message | from | content |
|---|---|---|
| a request | peer | JSON: ``{"run": "a shell's command"}``, or ``{"done": true}`` |
| ``o…``, ``e…`` | host | bytes of the command's output, of its error output |
| ``x…`` | host | its exit code, in digits; the last message |
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from pathlib import Path
from types import FrameType
from typing import Final

from wildsage.toolkit.script_mode.distribution import port_of_job
from wildsage.toolkit.script_mode.errors import ClientError, DistributionError

SECRET_VARIABLE = "WILDSAGE_PEERS_FILE"  # noqa: S105 - names a file
"""Names the file with the secret that the hosts of a job share."""

LOST: Final = 255
"""What `run_on` returns where the connection ended before the command: ssh's exit code."""

_PORT: Final = 22
"""ssh's; a job has another in its place."""

_OUTPUT, _ERROR, _EXIT = b"o", b"e", b"x"
_START_SECONDS = 3600.0
"""How long a host is waited for: it may install packages first. AWS's toolkit waits as long."""

_PAUSE_SECONDS = 0.1
_GRACE_SECONDS = 10.0


class PeerServer:
    """A host that runs commands for its peers.

    Parameters
    ----------
    host
        Its name, where it listens.
    folder, environment
        What commands run in.

    Raises
    ------
    DistributionError
        If the job's secret is not here, or the port is taken.
    """

    def __init__(self, host: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._secret = shared_secret(environment)
        self._over = threading.Event()
        self._is_stopped = False
        self._running: set[int] = set()
        place = (host, port_of_job(host, _PORT))
        try:
            self._listener = socket.create_server(place)
        except OSError as error:
            raise DistributionError(
                f"this host cannot listen at {host}:{place[1]}: {error.strerror}"
            ) from error

    def serve(self) -> None:
        """Run commands until a peer says that the job is done.

        SIGTERM is for all hosts: whoever started the commands ends them, and this host goes when they are gone.

        Raises
        ------
        ClientError
            If it was SIGTERM.
        """
        threading.Thread(target=self._accept, daemon=True).start()
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._over.wait()
            while self._is_stopped and self._running:
                time.sleep(_PAUSE_SECONDS)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._listener.close()
        if self._is_stopped:
            raise ClientError("stopped while it served the other hosts")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopped = True
        self._over.set()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                peer, _ = self._listener.accept()
                connection = Connection(peer.detach())
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        """Do what one peer asks for. Whoever does not know the secret, or asks for nothing, is left."""
        with closing(connection), suppress(AuthenticationError, EOFError, OSError):
            deliver_challenge(connection, self._secret)
            answer_challenge(connection, self._secret)
            request = json.loads(connection.recv_bytes())
            if request.get("done"):
                self._over.set()
            else:
                self._run(connection, request["run"])

    def _run(self, connection: Connection, command: str) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._running.add(process.pid)
        try:
            _relay(process, connection)
            connection.send_bytes(_EXIT + str(process.wait()).encode())
        finally:
            _end(process)
            self._running.discard(process.pid)


def _relay(process: subprocess.Popen[bytes], connection: Connection) -> None:
    """Send on what a command writes, to its end.

    Raises
    ------
    EOFError, OSError
        If the peer is gone before.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector, process.stdout, process.stderr:
        selector.register(process.stdout, selectors.EVENT_READ, _OUTPUT)
        selector.register(process.stderr, selectors.EVENT_READ, _ERROR)
        selector.register(connection, selectors.EVENT_READ)
        while len(selector.get_map()) > 1:
            for key, _ in selector.select():
                if key.data is None:
                    raise EOFError("the peer, which has nothing more to say, is gone")
                chunk = os.read(key.fd, 1 << 16)
                if chunk:
                    connection.send_bytes(key.data + chunk)
                else:
                    selector.unregister(key.fileobj)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs: the peer that asked for it is gone."""
    if process.poll() is not None:
        return
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def shared_secret(environment: Mapping[str, str]) -> bytes:
    """Return the secret of the job's hosts.

    Raises
    ------
    DistributionError
        If there is none: this host runs without its peers.
    """
    try:
        return Path(environment[SECRET_VARIABLE]).read_bytes()
    except (KeyError, FileNotFoundError):
        raise DistributionError(
            "this host runs alone (a replay does), and its job needs all: run the job again"
        ) from None


def run_on(host: str, command: str, environment: Mapping[str, str]) -> int:
    """Run a shell's command on another host; its output becomes ours. Returns its exit code.

    Returns `LOST` if the connection ends before.
    """
    streams = {_OUTPUT: sys.stdout.buffer, _ERROR: sys.stderr.buffer}
    with closing(_connected(host, shared_secret(environment))) as connection:
        connection.send_bytes(json.dumps({"run": command}).encode())
        with suppress(EOFError, OSError):
            while (message := connection.recv_bytes())[:1] != _EXIT:
                stream = streams[message[:1]]
                stream.write(message[1:])
                stream.flush()
            code = int(message[1:])
            return code if code >= 0 else 128 - code
    sys.stderr.write(f"the connection to {host} was lost\n")
    return LOST


def wait_for(host: str, environment: Mapping[str, str]) -> None:
    """Wait until a host serves.

    Raises
    ------
    DistributionError
        If it does not within an hour, or has another secret.
    """
    secret = shared_secret(environment)
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            _connected(host, secret).close()
        except AuthenticationError:
            raise DistributionError(f"what listens at {host} is not a host of this job") from None
        except (EOFError, OSError) as error:
            if time.monotonic() > until:
                raise DistributionError(f"the host {host} is not there: {error}") from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def say_done(host: str, environment: Mapping[str, str]) -> None:
    """Let a host go."""
    with closing(_connected(host, shared_secret(environment))) as connection:
        connection.send_bytes(json.dumps({"done": True}).encode())


def _connected(host: str, secret: bytes) -> Connection:
    return Client((host, port_of_job(host, _PORT)), family="AF_INET", authkey=secret)
