"""Carry connections across the border of a container's own network: ``python -I -S gate.py SOCKET PORT WAY_OUT PID``.

Without a bridge, without published ports, with or without root. Callers on this machine connect to a Unix socket and
reach a port on the container's loopback; the container reaches one port of this machine's loopback (the server's)
under the same number on its own, where `WAY_OUT` is not 0. A child inside of the container's network makes the
sockets there and hands them out; bytes are carried outside.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_LOOPBACK = "127.0.0.1"
_CHUNK = 262_144
_BACKLOG = 128

_libc = ctypes.CDLL(None, use_errno=True)


def _enter_network(process: int) -> None:
    """Move into the network of a process; as anybody, through the user namespace that we own."""
    network = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    users = f"/proc/{process}/ns/user"
    if os.stat(users).st_ino != os.stat("/proc/self/ns/user").st_ino:  # noqa: PTH116 - pathlib costs 5 ms
        _setns(os.open(users, os.O_RDONLY), _CLONE_NEWUSER)
    _setns(network, _CLONE_NEWNET)


def _setns(namespace: int, kind: int) -> None:
    if _libc.setns(namespace, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _be_inside(process: int, port: int, way_out: int, outside: socket.socket) -> None:
    """Hand out sockets of the container's network: first the listening one, then one for each byte that comes."""
    _enter_network(process)
    listening = [socket.create_server((_LOOPBACK, way_out), backlog=_BACKLOG)] if way_out else []
    socket.send_fds(outside, [b"+"], [one.fileno() for one in listening])
    while outside.recv(1):
        with socket.socket() as dialled:
            try:
                dialled.connect((_LOOPBACK, port))
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                socket.send_fds(outside, [b"-"], [])
            else:
                socket.send_fds(outside, [b"+"], [dialled.fileno()])


class _Inside:
    """The child, as it is asked from outside. One question at a time."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def dial(self) -> socket.socket | None:
        """Return a connection to the container's port; None: nobody listens there."""
        with self._lock:
            self._channel.send(b"?")
            _, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        return socket.socket(fileno=descriptors[0]) if descriptors else None


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides are done."""
    with one, other:
        back = threading.Thread(target=_carry_one_way, args=(other, one), daemon=True)
        back.start()
        _carry_one_way(one, other)
        back.join()


def _carry_one_way(source: socket.socket, target: socket.socket) -> None:
    buffer = memoryview(bytearray(_CHUNK))
    try:
        while count := source.recv_into(buffer):
            target.sendall(buffer[:count])
        target.shutdown(socket.SHUT_WR)
    except OSError:  # one side is gone: so is the other, then
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def _serve(listening: socket.socket, connect: Callable[[], socket.socket | None]) -> None:
    while True:
        caller, _ = listening.accept()
        threading.Thread(target=_answer, args=(caller, connect), daemon=True).start()


def _answer(caller: socket.socket, connect: Callable[[], socket.socket | None]) -> None:
    callee = connect()
    if callee is None:
        caller.close()
    else:
        _carry(caller, callee)


def _way_out(port: int) -> socket.socket | None:
    try:
        return socket.create_connection((_LOOPBACK, port))
    except OSError:
        return None


def _listen_at(path: str) -> socket.socket:
    """Listen on a path of any length: an address has room for 107 bytes only."""
    folder, _, name = path.rpartition("/")
    listening = socket.socket(socket.AF_UNIX)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    listening.bind(f"/proc/self/fd/{descriptor}/{name}")
    os.close(descriptor)
    listening.listen(_BACKLOG)
    return listening


def main(path: str, port: int, way_out: int, process: int) -> int:
    """Carry until killed; 1 if the container's network cannot be entered."""
    _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        try:
            _be_inside(process, port, way_out, theirs)
        except OSError as error:
            os.write(
                2, f"wildsage: the container's port {port} cannot be reached: {error}. {_ADVICE}\n".encode()
            )
        os._exit(1)
    theirs.close()
    entered, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    if not entered:
        return 1
    for listening in descriptors:
        arguments = (socket.socket(fileno=listening), lambda: _way_out(way_out))
        threading.Thread(target=_serve, args=arguments, daemon=True).start()
    inside = _Inside(ours)
    _serve(_listen_at(path), inside.dial)
    return 0


_ADVICE = "Run the server as the user that the engine runs containers as: root, or an engine without root"

if __name__ == "__main__":
    os._exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
