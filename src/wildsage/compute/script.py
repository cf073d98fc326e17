"""Start a container through the script `wildsage.compute.enter`, in an interpreter of its own."""

import marshal
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wildsage.compute.base import Container, LaunchError, Mount
from wildsage.compute.capabilities import KEPT_CAPABILITIES
from wildsage.compute.filesystem import read_only_proc
from wildsage.compute.limits import Confinement, confine

_SCRIPT = Path(__file__).with_name("enter.py")


@dataclass(frozen=True, slots=True)
class Started:
    """What was started; the parts that a `ContainerProcess` is made of."""

    process: subprocess.Popen[bytes]
    status: int
    confinement: Confinement


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
    confinement = confine(container.limits)
    status, report = os.pipe()
    specification = os.memfd_create("specification")
    fields = {
        "argv": list(container.argv),
        "environment": dict(container.environment),
        "working_directory": container.working_directory,
        "root": str(container.root),
        "mounts": [(mount.source, mount.target, mount.writable) for mount in mounts],
        "read_only": read_only_proc(),
        "hostname": container.hostname,
        "isolated": container.isolated,
        "private": private,
        "launcher": os.getpid(),
        "status": report,
        "kept_capabilities": list(KEPT_CAPABILITIES.values()),
    }
    try:
        with open(os.dup(specification), "wb") as file:  # noqa: PTH123 - a descriptor has no path
            marshal.dump(fields, file)
        os.lseek(specification, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), str(specification)],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(specification, report),
            preexec_fn=confinement.enter,  # noqa: PLW1509 - launched while one thread runs
        )
    except (OSError, subprocess.SubprocessError) as error:
        os.close(status)
        confinement.release()
        raise LaunchError(f"{sys.executable}: {error}") from error
    finally:
        os.close(specification)
        os.close(report)
    return Started(process, status, confinement)
