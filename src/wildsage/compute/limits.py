"""Hold a container within its limits: by control groups where we may make our own, else by rlimits.

Control groups bound the container as a whole. Where the machine lets us make none, an rlimit bounds each of
its processes (memory) or the user's processes together (their number); processor time then has no bound.
"""

import os
import re
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from wildsage.compute.base import Limits

_PREFIX = "wildsage-"
_PERIOD_MICROSECONDS = 100_000
_RELEASE_PATIENCE_SECONDS = 2.0
_MEMORY_BOUNDS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of a machine that is itself a container."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """One limit, in the terms of each mechanism."""

    limit: str
    controller: str
    v1: Mapping[str, str]
    v2: Mapping[str, str]
    rlimit: tuple[int, int] | None
    rlimit_name: str = ""


def _settings(limits: Limits) -> Iterator[_Setting]:
    if limits.memory_bytes is not None:
        size = str(limits.memory_bytes)
        # RLIMIT_DATA counts what a process may write to; RLIMIT_AS would count reservations as well, and
        # numerical libraries reserve far more than they use.
        yield _Setting(
            "memory", "memory",
            {"memory.limit_in_bytes": size}, {"memory.max": size, "memory.oom.group": "0"},
            (resource.RLIMIT_DATA, limits.memory_bytes), "RLIMIT_DATA, of each process",
        )  # fmt: skip
    if limits.processes is not None:
        count = str(limits.processes)
        yield _Setting(
            "processes", "pids", {"pids.max": count}, {"pids.max": count},
            (resource.RLIMIT_NPROC, limits.processes), "RLIMIT_NPROC, of the whole user",
        )  # fmt: skip
    if limits.cpus is not None:
        quota = str(max(1000, int(limits.cpus * _PERIOD_MICROSECONDS)))
        yield _Setting(
            "cpus", "cpu",
            {"cpu.cfs_period_us": str(_PERIOD_MICROSECONDS), "cpu.cfs_quota_us": quota},
            {"cpu.max": f"{quota} {_PERIOD_MICROSECONDS}"},
            None,
        )  # fmt: skip


def memory_of_machine() -> int | None:
    """Return the bytes of memory that this process and its children may use together; None if unknown."""
    found = []
    with suppress(ValueError, OSError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for place in _MEMORY_BOUNDS:
        with suppress(ValueError, OSError):
            found.append(int(Path(place).read_text(encoding="ascii")))
    return min(found, default=None)


def memory_of_run(machine_bytes: int | None) -> int | None:
    """Return what one run may take: one that wants all of the machine's memory ends, and not the machine."""
    return None if machine_bytes is None else machine_bytes // 10 * 9


class Confinement:
    """The control groups and rlimits of one container.

    Parameters
    ----------
    groups
        The container's own control groups.
    rlimits
        Resource and value, set in the container's first process.
    report
        Mechanism by limit.
    """

    def __init__(
        self, groups: tuple[Path, ...], rlimits: Mapping[int, int], report: Mapping[str, str]
    ) -> None:
        self._groups = groups
        self._rlimits = rlimits
        self.report: Mapping[str, str] = MappingProxyType(dict(report))

    def enter(self) -> None:
        """Move the calling process into the confinement: for the time between fork and exec."""
        for group in self._groups:
            (group / "cgroup.procs").write_text("0", encoding="ascii")
        for which, value in self._rlimits.items():
            _, hard = resource.getrlimit(which)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (bound, bound))

    def out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process here because the memory limit was reached."""
        for group in self._groups:
            for name in ("memory.events", "memory.oom_control"):
                with suppress(OSError):
                    found = re.search(
                        r"^oom_kill (\d+)$", (group / name).read_text(encoding="ascii"), re.MULTILINE
                    )
                    if found and int(found[1]) > 0:
                        return True
        return False

    def release(self) -> None:
        """Remove the groups, and end whoever is still in them."""
        for group in self._groups:
            end_group(group)


def confine(limits: Limits) -> Confinement:
    """Prepare the confinement of one container that this process is about to start."""
    groups: dict[Path, None] = {}
    rlimits: dict[int, int] = {}
    report: dict[str, str] = {}
    name = f"{_PREFIX}{os.getpid()}-{time.monotonic_ns()}"
    for setting in _settings(limits):
        made = _group_for(setting, name)
        if made is not None:
            group, mechanism = made
            groups[group] = None
            report[setting.limit] = mechanism
        elif setting.rlimit is not None:
            which, value = setting.rlimit
            # The kernel counts every thread of the user: those outside the container come on top.
            rlimits[which] = value + (_threads_of_user() if which == resource.RLIMIT_NPROC else 0)
            report[setting.limit] = setting.rlimit_name
        else:
            report[setting.limit] = "not held: no control group can be made here"
    return Confinement(tuple(groups), rlimits, report)


def end_group(group: Path) -> None:
    """Remove a control group, and end whoever is still in it. Leaving takes a moment."""
    deadline = time.monotonic() + _RELEASE_PATIENCE_SECONDS
    while not _removed(group) and time.monotonic() < deadline:
        _kill_members(group)
        time.sleep(0.01)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill_members(group: Path) -> None:
    with suppress(OSError):
        for process in map(int, (group / "cgroup.procs").read_text(encoding="ascii").split()):
            if process > 0:  # 0 is one whom we cannot see; as a target it would be ourselves
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)


def _threads_of_user() -> int:
    count = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == os.geteuid():
                count += sum(1 for _ in (process / "task").iterdir())
    return count


def _group_for(setting: _Setting, name: str) -> tuple[Path, str] | None:
    for parent, values, mechanism in _candidates(setting):
        _sweep(parent)
        group = parent / name
        try:
            group.mkdir(exist_ok=True)
            for file, value in values.items():
                (group / file).write_text(value, encoding="ascii")
        except OSError:
            with suppress(OSError):
                group.rmdir()
        else:
            return group, mechanism
    return None


def _candidates(setting: _Setting) -> Iterator[tuple[Path, Mapping[str, str], str]]:
    """Yield the groups below which ours may be made: v1 before v2, own before parent."""
    for controllers, path in _own_groups():
        if setting.controller in controllers:
            mount = _mount_of(setting.controller)
            if mount is not None:
                yield mount / path.lstrip("/"), setting.v1, "cgroup v1"
        elif controllers == [""]:
            mount = _mount_of(None)
            if mount is None:
                continue
            own = mount / path.lstrip("/")
            # A v2 group that holds processes cannot hand controllers on, so ours is often a sibling.
            for parent in (own, own.parent):
                if parent.is_relative_to(mount) and _hands_on(parent, setting.controller):
                    yield parent, setting.v2, "cgroup v2"


def _own_groups() -> Iterator[tuple[list[str], str]]:
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            yield controllers.split(","), path


def _mount_of(controller: str | None) -> Path | None:
    """Return where a v1 controller (None: the v2 hierarchy) is mounted."""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            if kind == ("cgroup2" if controller is None else "cgroup") and (
                controller is None or controller in options.split(",")
            ):
                return Path(before.split(" ")[4])
    return None


def _hands_on(parent: Path, controller: str) -> bool:
    """Tell whether groups below `parent` get the controller, and we may move processes into them."""
    try:
        controllers = (parent / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except OSError:
        return False
    return controller in controllers and os.access(parent / "cgroup.procs", os.W_OK)


def abandoned_groups() -> list[Path]:
    """Return the groups of launchers that were killed before they could remove them.

    Somebody may still be in one: a sandbox whose launcher was killed while it was set up waits for ever for
    what it was to be told. (bubblewrap asks the kernel to let it die with its parent only after that.)
    """
    some = Limits(memory_bytes=1, processes=1, cpus=1)
    parents = {parent for setting in _settings(some) for parent, _, _ in _candidates(setting)}
    return sorted(group for parent in parents for group in _abandoned(parent))


def _abandoned(parent: Path) -> Iterator[Path]:
    with suppress(OSError):
        for group in parent.glob(f"{_PREFIX}*"):
            owner = group.name.removeprefix(_PREFIX).split("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                yield group


def _sweep(parent: Path) -> None:
    """End the groups of launchers that were killed before they could."""
    for group in _abandoned(parent):
        end_group(group)
