"""Level 1: bubblewrap, as root or as anybody."""

import os
import shutil
import subprocess

from wildsage.compute.base import Container, LaunchError, Probe
from wildsage.compute.capabilities import KEPT_CAPABILITIES
from wildsage.compute.filesystem import prepare_root, read_only_proc
from wildsage.compute.limits import confine
from wildsage.compute.probing import try_launch
from wildsage.compute.process import ContainerProcess

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
        confinement = confine(container.limits)
        status, report = os.pipe()
        arguments = _as_file([*_options(container), "--json-status-fd", str(report)])
        try:
            process = subprocess.Popen(
                [
                    program,
                    "--args",
                    str(arguments),
                    "--",
                    *_EXEC,
                    container.working_directory,
                    *container.argv,
                ],
                # Not the container's: what a user sets (LD_PRELOAD) must not act outside the sandbox.
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(arguments, report),
                preexec_fn=confinement.enter,  # noqa: PLW1509 - launched while one thread runs
            )
        except (OSError, subprocess.SubprocessError) as error:
            os.close(status)
            confinement.release()
            raise LaunchError(f"{program}: {error}") from error
        finally:
            os.close(arguments)
            os.close(report)
        return ContainerProcess(process, status, confinement)


def _as_file(arguments: list[str]) -> int:
    """Put arguments where ``--args`` reads them: no process listing shows the environment."""
    descriptor = os.memfd_create("arguments")
    with open(os.dup(descriptor), "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


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
    if container.isolated:
        options.append("--unshare-net")
    if os.geteuid() == 0:
        options += ["--cap-drop", "ALL"]
        for capability in KEPT_CAPABILITIES:
            options += ["--cap-add", capability]
    for name, value in container.environment.items():
        options += ["--setenv", name, value]
    return options
