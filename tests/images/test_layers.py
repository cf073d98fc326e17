"""Layers of packages on top of an environment: real ones, with wheels made here and no network."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.wheels import make_wheel

from wildsage.images.environments import Environments, LayerBuildError
from wildsage.images.frameworks import EnvironmentSpec
from wildsage.images.layers import Layer

pytestmark = pytest.mark.builds

BASE = EnvironmentSpec("bare", ("one==1.0",))
LAYER = Layer(BASE, ("wildwords==1.5",))


def bare(_spec, path):
    return [[sys.executable, "-m", "venv", "--without-pip", str(path)]]


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "wildwords", "1.5", requires="wilddeep")
    make_wheel(folder, "wilddeep", "0.1")
    return folder


@pytest.fixture
def environments(tmp_path, wheels) -> Environments:
    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    made = Environments(tmp_path / "cache", bare, variables)
    asyncio.run(made.prepare(BASE, print))
    return made


def test_a_layer_holds_the_requirements_and_leaves_the_environment_alone(environments):
    lines: list[str] = []
    asyncio.run(environments.prepare_layer(LAYER, lines.append))
    assert environments.is_ready(LAYER)
    assert any("Successfully installed" in line for line in lines)
    folder = environments.layer_path(LAYER)
    python = folder / ".wildsage-python/bin/python"
    said = subprocess.run(
        [python, "-c", "import wilddeep; print(wilddeep.VERSION)"], check=True, capture_output=True, text=True
    )
    assert said.stdout == "0.1\n"
    command = [environments.python_path(BASE), "-c", "import wildwords"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    assert json.loads((folder / "wildsage.json").read_text())["requirements"] == ["wildwords==1.5"]
    assert "Successfully installed" in folder.with_name(f"{folder.name}.log").read_text()


def test_a_second_job_finds_it(environments):
    asyncio.run(environments.prepare_layer(LAYER, print))
    lines: list[str] = []
    asyncio.run(environments.prepare_layer(Layer(BASE, ("wildwords==1.5",)), lines.append))
    assert lines == []
    assert [built.name for built in environments.built()] == ["bare", "bare+requirements"]


def test_other_content_is_another_layer():
    other = Layer(EnvironmentSpec("bare", ("one==1.1",)), LAYER.lines)
    assert len({LAYER.key, other.key, Layer(BASE, ("wildwords==1.6",)).key}) == 3


def test_a_package_without_a_wheel_is_named_and_nothing_is_left(environments, wheels):
    (wheels / "onlysource-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(LayerBuildError, match=r"no wheel of onlysource==1\.0 was found"):
        asyncio.run(environments.prepare_layer(Layer(BASE, ("onlysource==1.0",)), print))
    left = {
        path.name.rpartition("+")[2].partition("-")[0]
        for path in environments.folder.iterdir()
        if path.is_dir()
    }
    assert "requirements" not in left


def test_two_jobs_build_it_once(tmp_path, environments):
    lines: list[str] = []
    others = [Environments(tmp_path / "cache", bare, environments._folders._variables) for _ in range(2)]

    async def both():
        await asyncio.gather(*(other.prepare_layer(LAYER, lines.append) for other in others))

    asyncio.run(both())
    assert sum("Successfully installed" in line for line in lines) == 1
    assert any(line.startswith("Waiting for the layer") for line in lines)


def test_a_build_that_was_killed_is_done_again(tmp_path, environments):
    """The server dies in the middle: what it left is not taken for a layer."""
    child = f"""
import asyncio, sys
from pathlib import Path
from wildsage.images.environments import Environments
from wildsage.images.frameworks import EnvironmentSpec
from wildsage.images.layers import Layer
script = 'mkdir -p "$1/.wildsage-python"; echo half > "$1/.wildsage-python/half"; echo pid $$; exec sleep 1000'
install = lambda layer, python, path: [["/bin/sh", "-c", script, "sh", str(path)]]
made = Environments(Path("{tmp_path}/cache"), layer_installer=install)
layer = Layer(EnvironmentSpec("bare", ("one==1.0",)), ("wildwords==1.5",))
asyncio.run(made.prepare_layer(layer, lambda line: print(line, flush=True)))
"""
    with subprocess.Popen(
        [sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        build = int(next(line for line in server.stdout if line.startswith("pid ")).removeprefix("pid "))
        server.send_signal(signal.SIGKILL)
    half = environments.layer_path(LAYER) / ".wildsage-python" / "half"
    assert half.exists()
    assert not environments.is_ready(LAYER)
    os.kill(build, signal.SIGKILL)  # the next build would wait for it
    asyncio.run(environments.prepare_layer(LAYER, print))
    assert environments.is_ready(LAYER)
    assert not half.exists()
