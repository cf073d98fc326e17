"""podman and docker, as far as they are alike: which one works here, how it wants to be called, what images it has."""

import io
import json
import os
import resource
import shutil
import subprocess
import tarfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wildsage.compute.base import Probe
from wildsage.compute.keeper import is_abandoned
from wildsage.core.engine_images import Calling, EngineError, LocalImage

_PATIENCE_SECONDS = 60.0
_PROGRAM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_LARGEST_NOFILE = 1 << 20
_SAFE_NPROC = 4096
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_Stamp = tuple[int, int, int]


class Engine:
    """One engine, through its command line: no library is needed, and both have the same one.

    Safe to use from any thread.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._trying = threading.Lock()
        self._found: tuple[Probe, Calling] | None = None
        self._images_file: Path | None = None
        self._images: dict[str, tuple[_Stamp, LocalImage | None]] = {}

    @property
    def is_installed(self) -> bool:
        """Tell whether there is such a program. It may still not work."""
        return shutil.which(self.name) is not None

    def probe(self) -> Probe:
        """Tell whether it starts containers here, found by trying: once, if it does."""
        return self._tried()[0]

    @property
    def is_tried(self) -> bool:
        """Tell whether `probe` and `calling` answer at once."""
        return self._found is not None and self._found[0].available

    def calling(self) -> Calling:
        """Return how it wants to be called on this machine.

        Raises
        ------
        EngineError
            If it does not work.
        """
        probe, calling = self._tried()
        if not probe.available:
            raise EngineError(f"{self.name} does not start containers here: {probe.reason}")
        return calling

    def image(self, reference: str) -> LocalImage | None:
        """Return the image of a name or an id; None if there is none here. Nothing is fetched from a registry."""
        stamp = _stamp_of(self._images_file)
        known = self._images.get(reference)
        if known is not None and stamp is not None and known[0] == stamp:
            return known[1]
        try:
            found = _local_image(json.loads(self._call("image", "inspect", reference))[0])
        except EngineError:
            found = None
        if stamp is not None:
            self._images[reference] = stamp, found
        return found

    def names(self) -> Sequence[str]:
        """Return the names of all images; none where the engine does not answer."""
        if not self.is_installed:
            return ()
        try:
            said = self._call("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        except EngineError:
            return ()
        return sorted({name for name in said.decode().split() if "<none>" not in name})

    def abandoned(self) -> Sequence[str]:
        """Return the names of containers whose launchers and keepers were killed; none where it does not answer."""
        if not self.is_installed:
            return ()
        prefix = name_prefix()
        try:
            said = self._call("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={prefix}")
        except EngineError:
            return ()
        return sorted(name for name in said.decode().split() if is_abandoned(name, prefix))

    def remove(self, container: str) -> None:
        """End a container and remove it; none of this name: nothing done."""
        with suppress(EngineError):
            self._call("rm", "--force", container)

    def _call(self, *arguments: str, given: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                [self.name, *arguments],
                input=given,
                capture_output=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(str(error)) from None
        if done.returncode != 0:
            raise EngineError(_last_words(done.stderr) or f"it ended with code {done.returncode}")
        return done.stdout

    # How it wants to be called

    def _tried(self) -> tuple[Probe, Calling]:
        with self._trying:
            if not self.is_tried:
                self._found = self._try()
            assert self._found is not None  # just now
            return self._found

    def _try(self) -> tuple[Probe, Calling]:
        calling = Calling()
        if not self.is_installed:
            return Probe(
                available=False, reason=f"{self.name} is not on PATH: {_INSTALL[self.name]}"
            ), calling
        try:
            facts = json.loads(self._call("info", "--format", "{{json .}}"))
            calling = _docker_calling(facts) if self.name == "docker" else _podman_calling(facts)
            self._images_file = _images_file(facts)
            image = f"localhost/wildsage-probe-{uuid.uuid4().hex[:12]}:1"
            self._call("import", "-", image, given=_probe_image(image))
            try:
                calling = self._remedied(calling, image)
                return Probe(available=True), self._with_network(calling, image)
            finally:
                with suppress(EngineError):  # others work beside us
                    self._call("image", "rm", "--force", image)
        except EngineError as error:
            return Probe(available=False, reason=f"{error}{_advice(str(error))}"), calling

    def _remedied(self, calling: Calling, image: str) -> Calling:
        """Try; where something is in the way that we know a way around, go it and try again."""
        remedies = _remedies()
        while True:
            try:
                self._run_probe(calling, image, "none")
            except EngineError as error:
                remedy = next((one for one in remedies if one.helps(self.name, str(error))), None)
                if remedy is None:
                    raise
                remedies.remove(remedy)
                calling = remedy.applied(calling)
            else:
                return calling

    def _with_network(self, calling: Calling, image: str) -> Calling:
        """Give containers with a network of their own the engine's usual one, if that works: it leads out."""
        try:
            self._run_probe(calling, image, "")
        except EngineError:
            return replace(calling, network="none")
        return calling

    def _run_probe(self, calling: Calling, image: str, network: str) -> None:
        way = (f"--network={network}",) if network else ()
        mount = "--mount=type=bind,src=/usr,dst=/usr,readonly"
        options = ("--rm", "--pull=never", "--log-driver=none", *way, mount, *calling.run)
        self._call(*calling.engine, "run", *options, image, "/bin/sh", "-c", ":")


@dataclass(frozen=True, slots=True)
class _Remedy:
    """What an engine says, and what helps then."""

    said: tuple[str, ...]
    engine: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    needs: str = ""
    of: tuple[str, ...] = ("podman",)

    def helps(self, name: str, error: str) -> bool:
        """Tell whether it is worth a try."""
        known = any(word in error for word in self.said)
        return (
            known
            and name in self.of
            and (not self.needs or shutil.which(self.needs, path=_SYSTEM_PATH) is not None)
        )

    def applied(self, calling: Calling) -> Calling:
        """Return how the engine is called with it."""
        return replace(calling, engine=(*calling.engine, *self.engine), run=(*calling.run, *self.run))


def _remedies() -> list[_Remedy]:
    open_files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1] % (1 << 63), _LARGEST_NOFILE)
    ulimits = (f"--ulimit=nofile={open_files}:{open_files}", f"--ulimit=nproc={_SAFE_NPROC}:{_SAFE_NPROC}")
    return [
        # Engines raise these limits for their containers, which a kernel may refuse even root.
        _Remedy(("rlimit", "RLIMIT"), run=ulimits, of=("podman", "docker")),
        _Remedy(("systemd", "dbus", "sd-bus"), engine=("--cgroup-manager", "cgroupfs")),
        _Remedy(("crun",), engine=("--runtime", "runc"), needs="runc"),
        _Remedy(("runc",), engine=("--runtime", "crun"), needs="crun"),
    ]


_INSTALL = {
    "podman": "install the packages 'podman' and 'runc' or 'crun' (apt-get, dnf, apk, pacman)",
    "docker": "install docker, or podman, which needs no daemon",
}
_ADVICE = (
    ("docker daemon", "start it (systemctl start docker), or install podman, which needs no daemon"),
    ("permission denied", "let this user use it (usermod -aG docker USER), or install podman"),
    ("newuidmap", "install the package 'uidmap'"),
    (
        "subuid",
        "give this user subordinate ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
    ),
    ("could not find a working conmon", "install the package 'conmon'"),
    ("runtime", "install the package 'runc' or 'crun'"),
)


def _advice(error: str) -> str:
    return next((f"; {advice}" for words, advice in _ADVICE if words in error), "")


def name_prefix() -> str:
    """Begin the names of the containers whose launchers we can see: numbers of processes are of a namespace."""
    return f"wildsage-{Path('/proc/self/ns/pid').stat().st_ino}-"


def _last_words(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    words = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
    return words.removeprefix("Error: ").removeprefix("docker: ")


# What it says of itself


def _podman_calling(facts: Mapping[str, Any]) -> Calling:
    host = facts["host"]
    if host.get("serviceIsRemote"):
        raise EngineError("podman runs on another machine, which does not see the files of this one")
    version, controllers = host["cgroupVersion"], host.get("cgroupControllers") or ()
    rootless = bool(host["security"]["rootless"])
    held = {limit: controller in controllers for limit, controller in _CONTROLLERS.items()}
    return Calling(user=_user(rootless=rootless), limits=_mechanisms("podman", version, held))


def _docker_calling(facts: Mapping[str, Any]) -> Calling:
    if facts.get("ServerErrors") or "ServerVersion" not in facts:
        raise EngineError("; ".join(facts.get("ServerErrors", ())) or "the docker daemon does not answer")
    rootless = any("rootless" in option for option in facts.get("SecurityOptions") or ())
    held = {
        "memory": bool(facts.get("MemoryLimit")),
        "processes": bool(facts.get("PidsLimit")),
        "cpus": bool(facts.get("CpuCfsQuota")),
    }
    version = f"v{facts.get('CgroupVersion', '1')}"
    return Calling(user=_user(rootless=rootless), limits=_mechanisms("docker", version, held))


_CONTROLLERS = {"memory": "memory", "processes": "pids", "cpus": "cpu"}


def _mechanisms(name: str, version: str, held: Mapping[str, bool]) -> Mapping[str, str]:
    return {
        limit: f"cgroup {version}, by {name}"
        if is_held
        else f"not held: {name} has no cgroup controller for it here"
        for limit, is_held in held.items()
    }


def _user(*, rootless: bool) -> str:
    """Who the container's processes are, so that their files are ours: its root, ourselves, or as its image says."""
    if rootless:
        return "0:0"
    return "" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def _images_file(facts: Mapping[str, Any]) -> Path | None:
    """Return the file that podman writes anew with every change of its images; docker has none to be read."""
    store = facts.get("store", {})
    if "graphRoot" not in store or "graphDriverName" not in store:
        return None
    return Path(store["graphRoot"], f"{store['graphDriverName']}-images", "images.json")


def _stamp_of(path: Path | None) -> _Stamp | None:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status is not None else None


def _local_image(inspected: Mapping[str, Any]) -> LocalImage:
    config = inspected.get("Config") or {}
    pairs = (pair.partition("=") for pair in config.get("Env") or ())
    return LocalImage(
        id=inspected["Id"].removeprefix("sha256:"),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment={name: value for name, _, value in pairs},
        working_directory=config.get("WorkingDir") or "/",
        user=config.get("User") or "",
    )


def _probe_image(name: str) -> bytes:
    """Return an archive with no program in it: links to where this machine's own are mounted.

    Equal archives would be one image, which somebody else may be about to remove.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in _PROGRAM_FOLDERS:
            link = tarfile.TarInfo(folder)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{folder}"
            archive.addfile(link)
        note = tarfile.TarInfo("note")
        note.size = len(name)
        archive.addfile(note, io.BytesIO(name.encode()))
    return packed.getvalue()


PODMAN, DOCKER = Engine("podman"), Engine("docker")
ENGINES: tuple[Engine, ...] = (PODMAN, DOCKER)
"""The one that needs no daemon first."""
