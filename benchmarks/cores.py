"""One core for the server, another for its client, where the machine has two: peers alike."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER = _ALLOWED[0]
CLIENT = _ALLOWED[-1]


def on_server_core() -> Callable[[], None]:
    """Return what a new process calls to be on the server's core, with all that it starts."""
    return lambda: os.sched_setaffinity(0, {SERVER})


@contextmanager
def client_core() -> Iterator[None]:
    """Keep this process on the client's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
