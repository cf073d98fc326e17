"""Level 1: bubblewrap, as root or as anybody."""

import os
import shutil
from collections.abc import Sequence

from wildsage.compute.base import Container, LaunchError, Probe
from wildsage.compute.capabilities import KEPT_CAPABILITIES
from wildsage.compute.filesystem import prepare_root, read_only_proc
from wildsage.compute.probing import try_launch
from wildsage.compute.process import ContainerProcess
from wildsage.compute.spawn import spawn

_INSTALL = "install the package 'bubblewrap' (apt-get, dnf, apk, pacman)"
# A shell between bubblewrap and the command gives the usual codes: 127 for a command or working directory
# that is not there, 126 for a command that cannot be executed. bubblewrap itself ends with 1 in all cases.
_EXEC = ("/bin/sh", "-c", 'cd "$0" || exit 127; exec "$@"')


class Bubblewrap:
    """Containers by ``bwrap``."""

    name = "bubblewrap"
    level = 1
    private = True

    def probe(self) -> Probe:
        """Start a container that does nothing."""
        if shutil.which("bwrap") is None:
            return Probe(available=False, reason=f"bwrap is not on PATH: {_INSTALL}")
        return try_launch(self)

    def launch(self, container: Container, stdout: int, stderr: int) -> ContainerProcess:
        """Start a container; see `wildsage.compute.base.Sandbox`."""
        program = shutil.which("bwrap")
        if program is None:
            raise LaunchError(f"bwrap is not on PATH: {_INSTALL}")
        options = _options(container)

        def orders(report: int) -> bytes:
            arguments = [*options, "--json-status-fd", str(report)]
            return b"".join(os.fsencode(argument) + b"\0" for argument in arguments)

        def command(descriptor: int) -> Sequence[str]:
            inner = (*_EXEC, container.working_directory, *container.argv)
            return [program, "--args", str(descriptor), "--", *inner]

        started = spawn(command, orders, container, stdout, stderr)
        return ContainerProcess(started.process, started.status, started.confinement)


def _options(container: Container) -> list[str]:
    mounts = prepare_root(container)
    options = ["--bind", str(container.root), "/"]
    for mount in mounts:
        options += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.target]
    options += ["--proc", "/proc", "--dev", "/dev"]
    for path in read_only_proc():
        options += ["--ro-bind", path, path]
    options += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", container.hostname]
    options += ["--die-with-parent", "--new-session"]
    if container.isolated and container.network is None:
        options.append("--unshare-net")
    if os.geteuid() == 0:
        options += ["--cap-drop", "ALL"]
        for capability in KEPT_CAPABILITIES:
            options += ["--cap-add", capability]
    for name, value in container.environment.items():
        options += ["--setenv", name, value]
    return options
