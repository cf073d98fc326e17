"""What is made of an engine's words. The engine is a script here: the suite of the contract runs the real ones."""

import json
import os

import pytest

from wildsage.compute.engine import Engine, name_prefix
from wildsage.compute.keeper import started_at
from wildsage.core.engine_images import EngineError

PODMAN_INFO = {
    "host": {"cgroupVersion": "v2", "cgroupControllers": ["memory", "pids"], "security": {"rootless": True}},
    "store": {},
}
INSPECTED = {
    "Id": "sha256:" + "a" * 64,
    "Config": {
        "Entrypoint": ["python", "-m", "app"],
        "Env": ["PATH=/opt/bin", "A=b=c"],
        "WorkingDir": "/srv",
        "User": "app",
    },
}


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Put a shell script in the place of podman and docker; what it was called with is in ``calls``."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "bin").mkdir()

    def write(body, name="podman", **facts):
        (tmp_path / "info.json").write_text(json.dumps({**PODMAN_INFO, **facts}))
        (tmp_path / "inspected.json").write_text(json.dumps([INSPECTED]))
        path = tmp_path / "bin" / name
        path.write_text(
            f'#!/bin/sh\ncd {tmp_path}\necho "$*" >> calls\n'
            f'case "$*" in info*) exec cat info.json;; "image inspect x:1") exec cat inspected.json;; esac\n{body}'
        )
        path.chmod(0o755)
        return Engine(name)

    write.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return write


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_one_that_is_not_there_says_what_to_install(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Engine(name)
    assert not engine.is_installed
    assert "install" in engine.probe().reason
    assert (engine.names(), engine.abandoned(), engine.image("x")) == ((), (), None)
    with pytest.raises(EngineError, match=f"{name} is not on PATH"):
        engine.calling()


def test_it_is_tried_once(script):
    engine = script("exit 0")
    assert not engine.is_tried
    assert engine.probe().available
    count = len(script.calls())
    assert engine.calling() == engine.calling()
    assert engine.is_tried
    assert len(script.calls()) == count
    assert not any("docker.io" in call for call in script.calls())


def test_one_that_did_not_work_may_work_later(script):
    engine = script("exit 1")
    assert not engine.probe().available
    assert not engine.is_tried
    script("exit 0")
    assert engine.probe().available


def test_the_image_it_was_tried_with_goes_again(script):
    script("exit 0").probe()
    imported = next(call for call in script.calls() if call.startswith("import")).split()[-1]
    assert f"image rm --force {imported}" in script.calls()


def test_each_obstacle_has_a_way_around_it(script, tmp_path):
    (tmp_path / "bin" / "runc").touch(mode=0o755)
    engine = script(
        """case "$*" in
        *run*) case "$*" in *--ulimit=nofile*) ;; *) echo "Error: crun: setrlimit RLIMIT_NOFILE: no" >&2; exit 126;; esac
               case "$*" in *"--cgroup-manager cgroupfs"*) ;; *) echo "Error: dial systemd bus" >&2; exit 126;; esac
               case "$*" in *--network=none*) ;; *) echo "Error: netavark: absent" >&2; exit 126;; esac
        esac"""
    )
    calling = engine.calling()
    assert calling.engine == ("--cgroup-manager", "cgroupfs")
    assert calling.run[0].startswith("--ulimit=nofile=")
    assert calling.network == "none"


def test_what_nothing_helps_against_is_said_with_advice(script):
    engine = script('case "$*" in import*) echo "Error: newuidmap: permission denied" >&2; exit 1;; esac')
    probe = engine.probe()
    assert not probe.available
    assert probe.reason.startswith("newuidmap: permission denied; ")
    with pytest.raises(EngineError, match="podman does not start containers here: newuidmap"):
        engine.calling()


def test_limits_are_those_it_has_controllers_for(script):
    calling = script("exit 0").calling()
    assert calling.limits["memory"] == "cgroup v2, by podman"
    assert calling.limits["cpus"].startswith("not held")
    assert calling.user == "0:0"  # without root: its root is ourselves


def test_one_on_another_machine_is_refused(script):
    engine = script("exit 0", host={**PODMAN_INFO["host"], "serviceIsRemote": True})
    assert "another machine" in engine.probe().reason


def test_a_docker_without_its_daemon_says_how_to_start_it(script):
    engine = script("exit 0", name="docker", ServerErrors=["Cannot connect to the docker daemon"])
    assert engine.probe().reason.endswith("or install podman, which needs no daemon")


@pytest.mark.parametrize(("options", "user"), [(["name=rootless"], "0:0"), ([], None)])
def test_files_that_a_docker_container_makes_are_ours(script, options, user):
    engine = script("exit 0", name="docker", ServerVersion="1", SecurityOptions=options, MemoryLimit=True)
    own = "" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    assert engine.calling().user == (own if user is None else user)
    assert engine.calling().limits["memory"] == "cgroup v1, by docker"


def test_an_image_is_what_its_configuration_says(script):
    image = script("exit 1").image("x:1")
    assert image.id == "a" * 64
    assert image.entrypoint == ("python", "-m", "app")
    assert image.environment == {"PATH": "/opt/bin", "A": "b=c"}
    assert (image.working_directory, image.user) == ("/srv", "app")


def test_an_image_that_is_not_there_is_none(script):
    assert script("exit 1").image("y:1") is None


def test_what_was_asked_is_asked_again_when_images_change(script, tmp_path):
    folder = tmp_path / "overlay-images"
    folder.mkdir()
    (folder / "images.json").write_text("1")
    engine = script("exit 0", store={"graphRoot": str(tmp_path), "graphDriverName": "overlay"})
    engine.probe()
    asked = lambda: script.calls().count("image inspect x:1")  # noqa: E731 - three words
    assert engine.image("x:1") == engine.image("x:1")
    assert asked() == 1
    (folder / "images.json").write_text("12")
    engine.image("x:1")
    assert asked() == 2


def test_containers_of_dead_launchers_are_abandoned(script):
    prefix = name_prefix()
    alive = f"{prefix}{os.getpid()}-{started_at(os.getpid())}-1"
    reused = f"{prefix}{os.getpid()}-{int(started_at(os.getpid())) + 1}-1"
    gone = f"{prefix}4194305-7-1"
    other = "wildsage-1-4194305-7-1"  # of another namespace: whether it lives is not for us to see
    engine = script(f'case "$*" in ps*) printf "%s\\n" {alive} {reused} {gone} {other} mine;; esac')
    assert engine.abandoned() == sorted([reused, gone])
    engine.remove(gone)
    assert script.calls()[-1] == f"rm --force {gone}"
