"""Writes down where a Python process connects to and which names it looks up: one `HOST PORT` a line.

Python imports this file by its name where the folder is on PYTHONPATH, before the client's own code.
"""

import os
import sys

_NOTES = os.environ.get("WATCH_CONNECTIONS")
_ADDRESS_AT = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}


def _watch(event, arguments):
    if event in _ADDRESS_AT:
        address = arguments[_ADDRESS_AT[event]]
    elif event == "socket.getaddrinfo":
        address = arguments[:2]
    elif event in ("socket.gethostbyname", "socket.gethostbyname_ex"):
        address = (arguments[0], "")
    else:
        return
    # Unix sockets and look-ups for listening have no host.
    if isinstance(address, tuple) and address[0]:
        host = address[0].decode() if isinstance(address[0], bytes) else address[0]
        os.write(_descriptor, f"{host} {address[1]}\n".encode())


if _NOTES:
    _descriptor = os.open(_NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    sys.addaudithook(_watch)
