"""Start a container through the script `wildsage.compute.enter`, in an interpreter of its own."""

import marshal
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wildsage.compute.base import Container, Mount
from wildsage.compute.capabilities import KEPT_CAPABILITIES
from wildsage.compute.filesystem import read_only_proc
from wildsage.compute.spawn import Started, spawn

_SCRIPT = Path(__file__).with_name("enter.py")


def start(
    container: Container, mounts: Sequence[Mount], stdout: int, stderr: int, *, private: bool
) -> Started:
    """Start the script on a container.

    Parameters
    ----------
    mounts
        What to mount into the container's root, parents first.
    private
        In namespaces; False runs the command in this machine's own file system.

    Raises
    ------
    LaunchError
        If the interpreter does not start.
    """

    def specification(report: int) -> bytes:
        fields = {
            "argv": list(container.argv),
            "environment": dict(container.environment),
            "working_directory": container.working_directory,
            "root": str(container.root),
            "mounts": [(mount.source, mount.target, mount.writable) for mount in mounts],
            "read_only": read_only_proc(),
            "hostname": container.hostname,
            "isolated": container.isolated and container.network is None,
            "private": private,
            "launcher": os.getpid(),
            "status": report,
            "kept_capabilities": list(KEPT_CAPABILITIES.values()),
        }
        return marshal.dumps(fields)

    def command(descriptor: int) -> Sequence[str]:
        return [sys.executable, "-I", "-S", str(_SCRIPT), str(descriptor)]

    return spawn(command, specification, container, stdout, stderr)
