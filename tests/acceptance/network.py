"""A network without an outside: a namespace of the kernel with nothing but the loopback device."""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_OWN = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def loopback_only() -> int:
    """Return the descriptor of a new network namespace in which only 127.0.0.0/8 can be reached.

    Raises
    ------
    OSError
        If this system does not let us make one: it takes Linux and root.
    """
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNET))
        try:
            _bring_up("lo")
            return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _check(_libc.setns(before, _CLONE_NEWNET))
    finally:
        os.close(before)


@contextlib.contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Put the calling thread, and what it starts meanwhile, into a network namespace."""
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    _check(_libc.setns(namespace, _CLONE_NEWNET))
    try:
        yield
    finally:
        _check(_libc.setns(before, _CLONE_NEWNET))
        os.close(before)


def _bring_up(device: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", device.encode(), 0)
        (flags,) = struct.unpack("16xh22x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", device.encode(), flags | _IFF_UP))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
