"""Level 2: namespaces of our own, by system calls, for machines without bubblewrap. As root or as anybody."""

import sys

from wildsage.compute.base import Container, Probe
from wildsage.compute.filesystem import prepare_root
from wildsage.compute.probing import try_launch
from wildsage.compute.process import ContainerProcess
from wildsage.compute.script import start

_INSTALL = (
    "install bubblewrap, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
)


class Namespaces:
    """Containers by ``unshare``, ``mount`` and ``pivot_root``."""

    name = "namespaces"
    level = 2
    private = True

    def probe(self) -> Probe:
        """Start a container that does nothing."""
        if not sys.platform.startswith("linux"):
            return Probe(available=False, reason=f"{sys.platform} has no namespaces")
        probe = try_launch(self)
        return probe if probe.available else Probe(available=False, reason=f"{probe.reason}; {_INSTALL}")

    def launch(self, container: Container, stdout: int, stderr: int) -> ContainerProcess:
        """Start a container; see `wildsage.compute.base.Sandbox`."""
        started = start(container, prepare_root(container), stdout, stderr, private=True)
        return ContainerProcess(started.process, started.status, started.confinement)
