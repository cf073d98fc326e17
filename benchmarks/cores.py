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
def client_core(*others: int) -> Iterator[None]:
    """Keep this process, and others by their ids, on the client's core."""
    before = {process: os.sched_getaffinity(process) for process in (0, *others)}
    for process in before:
        os.sched_setaffinity(process, {CLIENT})
    try:
        yield
    finally:
        for process, cores in before.items():
            os.sched_setaffinity(process, cores)
