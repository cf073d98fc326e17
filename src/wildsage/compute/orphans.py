"""Become the parent of what a container's launcher leaves behind, so that what it used is counted.

bubblewrap ends with the command and never waits for the container's first process. Where nobody adopts that
one, its time and memory are counted for nobody, and it may still be ending when the run goes on.
"""

import ctypes
import os
import resource
import select
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Let descendants whose parent ends become children of this process. For one that runs one container."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)  # fails on no Linux since 3.4


def reap_orphan(pid: int, patience: float) -> None:
    """Wait for the end of a process if it has become our child; of any other nothing happens."""
    with suppress(OSError):  # no child of ours: nobody adopts here, or whoever launched it has waited for it
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return
        descriptor = os.pidfd_open(pid)
        try:
            select.select([descriptor], [], [], patience)
        finally:
            os.close(descriptor)
        os.waitpid(pid, os.WNOHANG)


def usage_of_children() -> dict[str, float]:
    """Return the peak memory of the container's largest process, and the processor time of all of them.

    Of those that somebody waited for, as `reap_orphan` does; what is killed with the container is not counted.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "peak_memory_bytes": used.ru_maxrss * 1024,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
    }
