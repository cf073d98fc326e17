"""Images of podman and docker, through their command line.

A container that trains shares this machine's network, as in every sandbox: the server is on its loopback, and so
are the other hosts of its job. One that serves has a network of its own with a door in it (`gate`), so that each may
listen on port 8080, out of reach of everybody else.
"""

import marshal
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from wildsage.compute.base import Container, LaunchError, Limits, Mount, Probe, UnavailableError
from wildsage.compute.capabilities import KEPT_CAPABILITIES
from wildsage.compute.engine import Engine, name_prefix
from wildsage.compute.filesystem import known_hosts, refuse_visible_root
from wildsage.compute.keeper import started_at
from wildsage.compute.limits import Confinement
from wildsage.compute.process import ContainerProcess
from wildsage.core.engine_images import EngineImage

_KEEPER = Path(__file__).with_name("keeper.py")
_GATE = Path(__file__).with_name("gate.py")
_REMOVAL_PATIENCE_SECONDS = 30.0
_OPEN_FOLDER = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
_OPEN_FILE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH


def can_share_network(engine: str) -> bool:
    """Tell whether containers of an engine can be put into a `SharedNetwork`: without root its own are elsewhere."""
    return engine == "podman" and os.geteuid() == 0


class Containers:
    """Containers by an engine. Every one of them needs an image."""

    level = 1
    private = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name

    def probe(self) -> Probe:
        """Start a container that does nothing, if that has not been tried yet."""
        return self._engine.probe()

    def launch(self, container: Container, stdout: int, stderr: int) -> ContainerProcess:
        """Start a container; see `wildsage.compute.base.Sandbox`."""
        image = container.image
        if container.network is not None and not can_share_network(self.name):
            raise UnavailableError(
                f"{self.name} puts no container into a network of ours: only podman of root does"
            )
        if image is None:
            raise UnavailableError(f"{self.name} runs images, and this is none of its: choose a sandbox")
        refuse_visible_root(container.root, container.mounts)
        Path(_pid_file(container)).unlink(missing_ok=True)  # of a launch that was killed
        if image.user and not image.calling.user:
            _open_to_others(container.mounts)
        engine = [self.name, *image.calling.engine]
        name = f"{name_prefix()}{os.getpid()}-{started_at(os.getpid())}-{time.monotonic_ns()}"
        variables = _memory("variables", _variable_lines(container.environment))
        # The engine looks for it by our number when it gets round to it.
        network = os.dup(container.network.network) if container.network is not None else -1
        lifeline, ours = os.pipe()
        status, report = os.pipe()
        orders = {
            "engine": engine,
            "name": name,
            "prefix": name_prefix(),
            "run": ["run", f"--name={name}", *self._options(container, image, variables, network)],
            "gate": _gate(container),
            "pid_file": _pid_file(container) if self.name == "podman" else "",
            "kept_open": [variables],
            "lifeline": lifeline,
            "status": report,
        }
        told = _memory("orders", marshal.dumps(orders))
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(told)],
                cwd="/",
                stdin=subprocess.DEVNULL if container.stdin is None else container.stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(told, variables, lifeline, report),
                start_new_session=True,
            )
        except OSError as error:
            for descriptor in (ours, status, *((network,) if network >= 0 else ())):
                os.close(descriptor)
            raise LaunchError(f"the keeper of a container of {self.name}: {error}") from error
        finally:
            for descriptor in (told, variables, lifeline, report):
                os.close(descriptor)
        held = dict(_held(container.limits, image.calling.limits))
        removal = [*engine, "rm", "--force", name]
        return KeptContainer(process, status, (ours, network), held, removal)

    def _options(
        self, container: Container, image: EngineImage, variables: int, network: int
    ) -> Iterator[str]:
        yield from ("--pull=never", "--security-opt=no-new-privileges", "--security-opt=label=disable")
        yield "--cap-drop=ALL"
        yield from (f"--cap-add={capability}" for capability in KEPT_CAPABILITIES)
        # podman can let the container write to our descriptors itself, unless it is to have a terminal.
        passes = self.name == "podman" and container.stdin is None
        yield f"--log-driver={'passthrough' if passes else 'none'}"
        if self.name == "podman":
            yield f"--pidfile={_pid_file(container)}"
            yield "--http-proxy=false"  # what the engine's own environment says of proxies is not the container's
        yield from image.calling.run
        yield from _network(container, image, network)
        yield from _limits(container.limits, image.calling.limits)
        if image.calling.user:
            yield f"--user={image.calling.user}"
        if container.stdin is not None:
            yield "--interactive"
            if os.isatty(container.stdin):
                yield "--tty"
        yield from map(_mount, sorted(container.mounts, key=lambda mount: mount.target.count("/")))
        yield f"--env-file=/proc/self/fd/{variables}"
        # A line of a file holds no line breaks.
        yield from (f"--env={name}={value}" for name, value in container.environment.items() if "\n" in value)
        yield f"--workdir={container.working_directory}"
        yield f"--entrypoint={container.argv[0]}"
        yield image.reference
        yield from container.argv[1:]


class KeptContainer(ContainerProcess):
    """A container that its keeper stands for.

    Parameters
    ----------
    descriptors
        Ours until the end: where the keeper takes orders, and the network of the container (-1: none of ours).
    removal
        The command that removes it, should its keeper have been killed.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        status: int,
        descriptors: tuple[int, int],
        held: Mapping[str, str],
        removal: list[str],
    ) -> None:
        super().__init__(process, status, Confinement((), {}, held))
        self._lifeline, self._network = descriptors
        self._removal = removal

    def terminate(self) -> bool:
        """Have SIGTERM sent to the group of the container's first process, once it is there."""
        self._order(b"T")
        return True

    def kill(self) -> None:
        """Have every process of the container ended."""
        if self._process.poll() is None:
            self._killed = True
            self._order(b"K")

    def out_of_memory(self) -> bool:
        """Tell whether the engine says so."""
        return bool(self._report.get("out-of-memory"))

    def release(self) -> None:
        """Let go of the container, and remove it if nobody else can."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self._network >= 0:
            os.close(self._network)
            self._network = -1
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REMOVAL_PATIENCE_SECONDS)
        if self._process.returncode is None or self._process.returncode < 0:
            subprocess.run(
                self._removal,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_REMOVAL_PATIENCE_SECONDS,
            )
        super().release()

    def _order(self, letter: bytes) -> None:
        with suppress(BrokenPipeError):  # at the end
            if self._lifeline >= 0:
                os.write(self._lifeline, letter)


def _pid_file(container: Container) -> str:
    return str(container.root / "container.pid")


def _memory(name: str, content: bytes) -> int:
    """Return a descriptor of a file that lies nowhere, at its beginning."""
    descriptor = os.memfd_create(name)
    with open(os.dup(descriptor), "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _variable_lines(environment: Mapping[str, str]) -> bytes:
    """In a file, because any user's process listing shows arguments."""
    lines = (f"{name}={value}\n" for name, value in environment.items() if "\n" not in value)
    return "".join(lines).encode("utf-8", "surrogateescape")


def _network(container: Container, image: EngineImage, shared: int) -> Iterator[str]:
    network = "host"
    if shared >= 0:
        network = f"ns:/proc/{os.getpid()}/fd/{shared}"
    elif container.isolated:
        network = "none"
    elif container.door is not None:
        network = image.calling.network
    if network:
        yield f"--network={network}"
    yield f"--hostname={container.hostname}"
    for name, address in known_hosts(container.hostname, container.hosts).items():
        yield f"--add-host={name}:{address}"


def _limits(limits: Limits, mechanisms: Mapping[str, str]) -> Iterator[str]:
    held = {limit for limit, mechanism in mechanisms.items() if not mechanism.startswith("not held")}
    if limits.memory_bytes is not None:
        yield f"--shm-size={limits.memory_bytes}"
        if "memory" in held:
            yield from (f"--memory={limits.memory_bytes}", f"--memory-swap={limits.memory_bytes}")
    if limits.cpus is not None and "cpus" in held:
        yield f"--cpus={limits.cpus:.2f}"
    if limits.processes is not None and "processes" in held:
        yield f"--pids-limit={limits.processes}"


def _held(limits: Limits, mechanisms: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    asked = {"memory": limits.memory_bytes, "processes": limits.processes, "cpus": limits.cpus}
    for limit, bound in asked.items():
        if bound is not None:
            yield limit, mechanisms.get(limit, "not held")


def _mount(mount: Mount) -> str:
    """Write a mount as both engines read it: one line of comma-separated values, quoted where there is need."""
    fields = [
        "type=bind",
        f"src={mount.source}",
        f"dst={mount.target}",
        *(() if mount.writable else ("readonly",)),
    ]
    quoted = (f'"{one.replace(chr(34), chr(34) * 2)}"' if "," in one or '"' in one else one for one in fields)
    return f"--mount={','.join(quoted)}"


def _gate(container: Container) -> list[str]:
    door = container.door
    if door is None:
        return []
    way_out = 0 if container.isolated else door.way_out or 0
    return [sys.executable, "-I", "-S", str(_GATE), door.socket, str(door.port), str(way_out)]


def _open_to_others(mounts: tuple[Mount, ...]) -> None:
    """Let whomever the image wants to be write in what is the container's own; the folder above is closed."""
    for mount in mounts:
        if not mount.writable:
            continue
        for folder, _, files in os.walk(mount.source):
            Path(folder).chmod(_OPEN_FOLDER)
            for name in files:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    path.chmod(path.stat().st_mode | _OPEN_FILE)
