import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from wildsage.images import frameworks
from wildsage.images.environments import EnvironmentBuildError, Environments, pip_installer
from wildsage.images.frameworks import (
    EnvironmentSpec,
    NoEnvironmentError,
    environment_names,
    environment_spec,
)

SPEC = EnvironmentSpec("tiny", ("one==1.0", "two==2.0"), ("one",), "Ask Ann.")


def shell(*scripts: str):
    """An installer that runs shell scripts with the path of the environment as $1."""
    return lambda _spec, path: [["/bin/sh", "-c", script, "sh", str(path)] for script in scripts]


def prepare(environments: Environments, spec: EnvironmentSpec = SPEC) -> list[str]:
    lines: list[str] = []
    asyncio.run(environments.prepare(spec, lines.append))
    return lines


def test_builds_once_and_streams_the_log(tmp_path) -> None:
    environments = Environments(
        tmp_path, shell('mkdir "$1"; echo made; echo oops >&2', 'echo two >> "$1/built"')
    )
    assert not environments.is_ready(SPEC)
    lines = prepare(environments)
    assert environments.is_ready(SPEC)
    assert [line for line in lines if line in ("made", "oops")] == ["made", "oops"]
    assert prepare(environments) == []
    folder = environments.python_path(SPEC).parent.parent
    assert (folder / "built").read_text() == "two\n"
    environments.remove(SPEC)
    assert not folder.exists()


def test_failure_says_what_failed_and_leaves_nothing(tmp_path) -> None:
    environments = Environments(tmp_path, shell('mkdir "$1"; echo "no matching distribution"; exit 3'))
    with pytest.raises(EnvironmentBuildError) as raised:
        prepare(environments)
    for part in (
        "tiny",
        "Ask Ann.",
        "exit code 3",
        "no matching distribution",
        "wildsage images prepare IMAGE_URI",
    ):
        assert part in str(raised.value)
    assert not environments.is_ready(SPEC)
    assert not environments.python_path(SPEC).parent.parent.exists()


def test_a_line_of_any_length_is_logged(tmp_path) -> None:
    lines = prepare(Environments(tmp_path, shell('mkdir "$1"; head -c 200000 /dev/zero | tr "\\0" v')))
    assert "v" * 200_000 in lines


def test_half_built_environments_are_built_anew(tmp_path) -> None:
    environments = Environments(tmp_path, shell('mkdir "$1"'))
    folder = environments.python_path(SPEC).parent.parent
    folder.mkdir(parents=True)
    (folder / "rubbish").touch()
    prepare(environments)
    assert environments.is_ready(SPEC)
    assert not (folder / "rubbish").exists()


def test_cancelled_builds_leave_nothing_and_no_process(tmp_path) -> None:
    environments = Environments(tmp_path, shell('mkdir "$1"; sleep 1000 & echo $!; wait'))
    lines: list[str] = []

    async def cancel_in_the_middle() -> None:
        started = asyncio.Event()

        def on_line(line: str) -> None:
            lines.append(line)
            if line.isdigit():
                started.set()

        task = asyncio.create_task(environments.prepare(SPEC, on_line))
        await asyncio.wait_for(started.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_in_the_middle())
    assert not environments.python_path(SPEC).parent.parent.exists()
    stat = Path(f"/proc/{lines[-1]}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"
    assert prepare(Environments(tmp_path, shell('mkdir "$1"')))[-1] == "The environment tiny is ready."


def test_two_builders_build_once(tmp_path) -> None:
    script = f'mkdir "$1"; echo x >> "{tmp_path}/count"'
    lines: list[str] = []

    async def both() -> None:
        builders = [Environments(tmp_path / "cache", shell(script)) for _ in range(2)]
        await asyncio.gather(*(builder.prepare(SPEC, lines.append) for builder in builders))

    asyncio.run(both())
    assert (tmp_path / "count").read_text() == "x\n"
    assert any(line.startswith("Waiting for the environment tiny") for line in lines)


def test_build_of_a_server_that_died_is_waited_for(tmp_path) -> None:
    """The lock is held by the build's own process when its server is gone."""
    child = f"""
import asyncio
from pathlib import Path
from types import SimpleNamespace
from wildsage.images.environments import Environments
from wildsage.images.frameworks import EnvironmentSpec
script = 'mkdir "$1"; echo running; read line < "{tmp_path}/gate"; echo late > "$1/late"'
installer = lambda spec, path: [["/bin/sh", "-c", script, "sh", str(path)]]
spec = EnvironmentSpec("tiny", ("one==1.0", "two==2.0"))
asyncio.run(Environments(Path("{tmp_path}/cache"), installer).prepare(spec, lambda line: print(line, flush=True)))
"""
    os.mkfifo(tmp_path / "gate")
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as server:
        while server.stdout.readline() != "running\n":
            pass
        server.send_signal(signal.SIGKILL)
    environments = Environments(tmp_path / "cache", shell('mkdir "$1"'))

    def on_line(line: str) -> None:
        if line.startswith("Waiting"):
            (tmp_path / "gate").write_text("go\n")

    asyncio.run(environments.prepare(SPEC, on_line))
    folder = environments.python_path(SPEC).parent.parent
    assert environments.is_ready(SPEC)
    assert not (folder / "late").exists()


def test_marker_records_what_was_installed(tmp_path) -> None:
    environments = Environments(tmp_path, shell('mkdir "$1"'))
    prepare(environments)
    marker = environments.python_path(SPEC).parent.parent / "wildsage.json"
    assert json.loads(marker.read_text()) == {"environment": "tiny", "pins": ["one==1.0", "two==2.0"]}


def test_pip_gets_exact_pins_and_wheels_only(tmp_path) -> None:
    venv, pip, check = pip_installer(SPEC, tmp_path / "e")
    assert check == [pip[0], "-c", "import one"]
    assert venv == [sys.executable, "-m", "venv", str(tmp_path / "e")]
    assert pip[0] == str(tmp_path / "e" / "bin" / "python")
    assert pip[-2:] == ["one==1.0", "two==2.0"]
    assert pip[pip.index("--only-binary") + 1] == ":all:"
    assert "--no-deps" in pip


def test_another_lock_is_another_environment() -> None:
    assert SPEC.key != EnvironmentSpec("tiny", ("one==1.0", "two==2.1")).key


@pytest.mark.parametrize("name", environment_names())
def test_locks_are_exact_and_hold_what_is_required(name) -> None:
    spec = environment_spec(name)
    assert all(pin.count("==") == 1 for pin in spec.pins)
    assert spec.version_of("numpy")
    assert spec.imports
    assert not [pin for pin in spec.pins if pin.startswith(("nvidia", "triton", "cuda"))]


def test_every_environment_is_of_a_tag_or_of_an_sdk() -> None:
    table = frameworks._table()
    rows = [row for image in table["image"] for row in image["tags"]]
    rows += [row for environment in table["environment"].values() for row in environment.get("by_sdk", [])]
    assert {row["environment"] for row in rows} == set(environment_names())


def test_environments_are_found_by_the_beginning_of_their_names() -> None:
    assert environment_names("sklearn") == ["sklearn-1.1", "sklearn-1.2", "sklearn-1.4"]
    assert environment_names("no-such") == []


def test_interpreter_without_a_lock_is_named(monkeypatch) -> None:
    monkeypatch.setattr(frameworks.sys, "version_info", SimpleNamespace(major=3, minor=99))
    with pytest.raises(NoEnvironmentError, match=r"locked for Python 3\.11"):
        environment_spec("sklearn-1.2")
    with pytest.raises(KeyError, match="no-such"):
        environment_spec("no-such")
