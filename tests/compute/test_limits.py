"""Where limits are held: found in a made-up /proc and /sys, so that every machine tests every kind."""

import resource
import signal
import subprocess
from pathlib import Path

import pytest

from wildsage.compute import limits
from wildsage.compute.base import Limits

ALL = Limits(cpus=1.5, memory_bytes=1 << 20, processes=10)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Control groups at will: what `limits` knows of the machine is where groups are mounted."""

    def build(own, mounts):
        monkeypatch.setattr(limits, "_own_groups", lambda: iter(own))
        monkeypatch.setattr(limits, "_mount_of", mounts.get)

    return build


def v2(folder, *, controllers):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.subtree_control").write_text(controllers)
    (folder / "cgroup.procs").touch()
    return folder


def test_v1_controllers_each_have_a_group(machine, tmp_path):
    mounts = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    for mount in mounts.values():
        (mount / "own").mkdir(parents=True)
    machine([(["cpu", "cpuacct"], "/own"), (["memory"], "/own"), (["pids"], "/own")], mounts)
    confinement = limits.confine(ALL)
    assert dict(confinement.report) == dict.fromkeys(("memory", "processes", "cpus"), "cgroup v1")
    (group,) = (tmp_path / "cpu" / "own").iterdir()
    assert (group / "cpu.cfs_quota_us").read_text() == "150000"
    (group,) = (tmp_path / "memory" / "own").iterdir()
    assert (group / "memory.limit_in_bytes").read_text() == "1048576"


def test_v2_uses_a_sibling_where_the_own_group_hands_nothing_on(machine, tmp_path):
    v2(tmp_path / "user", controllers="memory pids")
    v2(tmp_path / "user" / "own", controllers="")
    machine([([""], "/user/own")], {None: tmp_path})
    confinement = limits.confine(ALL)
    assert confinement.report["memory"] == confinement.report["processes"] == "cgroup v2"
    assert confinement.report["cpus"].startswith("not held")
    (group,) = (tmp_path / "user").glob("wildsage-*")
    assert (group / "memory.max").read_text() == "1048576"
    assert (group / "pids.max").read_text() == "10"


def test_without_control_groups_rlimits_hold_what_they_can(machine):
    machine([], {})
    confinement = limits.confine(ALL)
    assert "RLIMIT_DATA" in confinement.report["memory"]
    assert "RLIMIT_NPROC" in confinement.report["processes"]
    assert confinement.report["cpus"].startswith("not held")
    assert confinement._rlimits[resource.RLIMIT_DATA] == 1 << 20
    assert confinement._rlimits[resource.RLIMIT_NPROC] > 10  # the user's other processes count too
    assert not confinement.out_of_memory()


def test_a_group_that_cannot_be_set_is_not_left_behind(machine, tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    machine([(["pids"], "/own")], {"pids": tmp_path})

    def refuse(*_args, **_kwargs):
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    confinement = limits.confine(Limits())
    assert "RLIMIT_NPROC" in confinement.report["processes"]
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_a_kill_at_the_memory_limit_is_seen(tmp_path, name):
    (tmp_path / name).write_text("low 0\noom_kill 0\n")
    confinement = limits.Confinement((tmp_path,), {}, {})
    assert not confinement.out_of_memory()
    (tmp_path / name).write_text("low 0\noom_kill 2\n")
    assert confinement.out_of_memory()


def test_groups_of_dead_launchers_are_swept(machine, tmp_path):
    (tmp_path / "own" / "wildsage-999999999-1").mkdir(parents=True)
    (tmp_path / "own" / "wildsage-1-1").mkdir()
    machine([(["pids"], "/own")], {"pids": tmp_path})
    limits.confine(Limits())
    names = {path.name for path in (tmp_path / "own").iterdir()}
    assert "wildsage-999999999-1" not in names
    assert "wildsage-1-1" in names


def test_whoever_is_left_in_a_group_of_a_dead_launcher_ends(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_RELEASE_PATIENCE_SECONDS", 0.05)  # a folder with a file in it stays
    left = subprocess.Popen(["sleep", "60"])
    group = tmp_path / "own" / "wildsage-999999999-1"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"0\n{left.pid}\n")
    machine([(["pids"], "/own")], {"pids": tmp_path})
    assert limits.abandoned_groups() == [group]
    limits.end_group(group)
    assert left.wait(5) == -signal.SIGKILL


def test_the_memory_of_a_machine_that_is_a_container_is_the_containers(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "unbounded").write_text("max\n")
    whole = limits.memory_of_machine()
    monkeypatch.setattr(limits, "_MEMORY_BOUNDS", (str(tmp_path / "unbounded"), str(tmp_path / "absent")))
    assert limits.memory_of_machine() >= whole > 2**28
    monkeypatch.setattr(limits, "_MEMORY_BOUNDS", (str(tmp_path / "memory.max"),))
    assert limits.memory_of_machine() == 1_000_000
