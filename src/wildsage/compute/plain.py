"""Level 3: no sandbox. The container is an ordinary process that sees this machine as it is.

Its paths do not exist here, so they are translated wherever a path stands at the beginning of an argument,
of an environment variable, or of an entry in a list of paths. An image that needs the literal ``/opt/ml``
and a container that must be isolated are refused.
"""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace

from wildsage.compute.base import Container, Probe, UnavailableError
from wildsage.compute.limits import Confinement
from wildsage.compute.probing import try_launch
from wildsage.compute.process import ContainerProcess
from wildsage.compute.script import start

_INSTALL = (
    "install the package 'bubblewrap' (apt-get, dnf, apk, pacman) or allow unprivileged user namespaces"
)
_LONGEST_SOCKET_PATH = 107
_END_PATIENCE_SECONDS = 5.0


class Plain:
    """Containers as ordinary processes."""

    name = "none"
    level = 3
    private = False

    def probe(self) -> Probe:
        """Start a container that does nothing."""
        return try_launch(self)

    def launch(self, container: Container, stdout: int, stderr: int) -> "PlainProcess":
        """Start a container; see `wildsage.compute.base.Sandbox`."""
        if container.isolated:
            raise UnavailableError(f"this machine cannot cut a container off from the network: {_INSTALL}")
        if container.needs_opt_ml:
            raise UnavailableError(f"the image needs a private /opt/ml, which needs a sandbox: {_INSTALL}")
        held: list[int] = []
        started = start(_translated(container, held), (), stdout, stderr, private=False)
        return PlainProcess(started.process, started.status, started.confinement, held)


class PlainProcess(ContainerProcess):
    """A container whose processes only its subreaper knows."""

    def __init__(
        self, process: subprocess.Popen[bytes], status: int, confinement: Confinement, held: list[int]
    ) -> None:
        super().__init__(process, status, confinement)
        self._held = held

    def kill(self) -> None:
        """Ask the subreaper to end every process; where it does not answer, end the group."""
        leader = self._leader()
        if leader is not None and self._process.poll() is None:
            self._killed = True
            self._process.send_signal(signal.SIGUSR1)
            if self._ended_within(_END_PATIENCE_SECONDS):
                return
            with suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
        super().kill()

    def release(self) -> None:
        """Close what the translated paths stood on, too."""
        super().release()
        while self._held:
            os.close(self._held.pop())


def _translated(container: Container, held: list[int]) -> Container:
    """Return the container in the paths of this machine.

    Parameters
    ----------
    held
        Takes descriptors that must stay open as long as the container runs.
    """
    home = container.root / "home"
    temporary = container.root / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    paths = {mount.target: mount.source for mount in container.mounts}
    paths |= {"/root": str(home)}
    translate = _Translation(paths, held)
    environment = {name: translate.value(value) for name, value in container.environment.items()}
    return replace(
        container,
        argv=tuple(map(translate.value, container.argv)),
        environment={"TMPDIR": str(temporary), **environment},
        working_directory=translate.path(container.working_directory),
    )


class _Translation:
    """From the container's paths to this machine's."""

    def __init__(self, paths: dict[str, str], held: list[int]) -> None:
        # The longest first: /opt/ml/code may be a mount of its own below /opt/ml.
        self._paths = sorted(paths.items(), key=lambda pair: -len(pair[0]))
        self._held = held

    def path(self, path: str) -> str:
        for target, source in self._paths:
            if path == target or path.startswith(target.rstrip("/") + "/"):
                translated = source + path[len(target) :]
                return self._shortened(translated, source) if path.endswith(".sock") else translated
        return path

    def value(self, value: str) -> str:
        return ":".join(self.path(part) for part in value.split(":"))

    def _shortened(self, path: str, folder: str) -> str:
        """A socket's address holds 107 bytes; a long path goes through a descriptor that we keep open."""
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._held.append(descriptor)
        return f"/proc/{os.getpid()}/fd/{descriptor}{path[len(folder) :]}"
