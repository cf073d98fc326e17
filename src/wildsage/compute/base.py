"""The contract of a compute backend: what a container is, and what a sandbox owes it.

A container is described in *its own* paths (``/opt/ml/model``, ``/run/wildsage``). A backend that can give
it a file system of its own does; the one that cannot translates the paths instead.

Guarantees of every backend, checked by one suite (``tests/compute/test_contract.py``):

- the command sees exactly `Container.environment` and nothing of the launcher's environment;
- ``terminate`` sends SIGTERM to every process of the command's group; ``kill`` ends every process the
  container ever started, daemons included, and so does the end of the command itself;
- the container dies with the thread that launched it: launch from the main thread;
- a limit that cannot be held is reported, never ignored silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wildsage.compute.shared_network import SharedNetwork
from wildsage.core.engine_images import EngineImage


class LaunchError(Exception):
    """The container could not be started; the fault is the sandbox's, not the container's."""


class UnavailableError(Exception):
    """The container asks for what this machine cannot give. The text says what to install."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine that the container sees. Read-only unless `writable`."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the container. None: no bound of its own."""

    cpus: float | None = None
    memory_bytes: int | None = None
    processes: int | None = 4096


@dataclass(frozen=True, slots=True)
class Door:
    """A port on the loopback of a container with a network of its own, and how it is reached.

    Attributes
    ----------
    socket
        On this machine: whoever connects to it reaches the port.
    port
        In the container.
    way_out
        A port of this machine's loopback that the container finds on its own; None: none.
    """

    socket: str
    port: int
    way_out: int | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """One container to start.

    Attributes
    ----------
    argv, environment, working_directory
        As the container sees its paths. The environment is the whole environment.
    root
        An empty folder of this machine for the container's own files outside its mounts (``/tmp``, …).
    mounts
        What it sees besides the system's own folders.
    hostname, hosts
        Its name, and the addresses of the hosts of its job by name.
    isolated
        No network but its own loopback.
    network
        Of an isolated container: the loopback that it shares with the other hosts of its job; None: nobody has it.
    needs_opt_ml
        It opens ``/opt/ml`` by that very name, so translated paths do not help it.
    stdin
        Descriptor of its input; None: an empty one.
    image
        What an engine's backend runs; all others run what this machine has.
    door
        Of an image that serves: it has a network of its own, in which it may listen on the port it likes.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    root: Path
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/"
    hostname: str = "algo-1"
    hosts: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    isolated: bool = False
    network: SharedNetwork | None = None
    needs_opt_ml: bool = False
    stdin: int | None = None
    image: EngineImage | None = None
    door: Door | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a backend works on this machine, found by trying; `reason` says what is in the way."""

    available: bool
    reason: str = ""


class Process(Protocol):
    """A running container."""

    @property
    def limits(self) -> Mapping[str, str]:
        """Which mechanism holds each limit: ``{"memory": "cgroup v1", "cpus": "not held"}``."""
        ...

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, 128 + N after signal N; None if it still runs after `timeout` seconds.

        Raises
        ------
        LaunchError
            If the sandbox could not be set up. Its words are in the container's error output.
        """
        ...

    def terminate(self) -> bool:
        """Send SIGTERM to the command's process group. No effect after the end.

        False: the command is not there yet, and nothing was sent. Ask again.
        """
        ...

    def kill(self) -> None:
        """End every process of the container now. No effect after the end."""
        ...

    def out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process of the container at its memory limit."""
        ...

    def release(self) -> None:
        """Give back what the container held of this machine. Call after the end."""
        ...


class Sandbox(Protocol):
    """A backend.

    Attributes
    ----------
    name
        As ``JobFile.sandbox`` spells it.
    level
        1 is best.
    private
        The container has a file system of its own: ``/opt/ml`` is literal and nothing else of this
        machine is visible. False: paths are translated and nothing is hidden.
    """

    name: str
    level: int
    private: bool

    def probe(self) -> Probe:
        """Try whether the backend works here."""
        ...

    def launch(self, container: Container, stdout: int, stderr: int) -> Process:
        """Start a container whose output goes to the given descriptors.

        Raises
        ------
        UnavailableError
            If this backend cannot give what the container asks for (isolation, a literal ``/opt/ml``).
        LaunchError
            If the start fails.
        """
        ...
