"""The wheel in an environment where nothing else is: it installs, it is small, and its demo runs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.acceptance.live import ROOT, processes_of, until

pytestmark = pytest.mark.acceptance

_MOST_MEGABYTES = 250


@dataclass(frozen=True, slots=True)
class Installed:
    """Where an installation is, and what it took."""

    bin: Path
    seconds: float
    megabytes: float


def run(*command: str | Path, environ: Mapping[str, str] = os.environ, cwd: Path) -> str:
    done = subprocess.run(
        command, env=dict(environ), cwd=cwd, check=False,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has pip alone."""
    folder = tmp_path_factory.mktemp("environment") / "empty"
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return folder


@pytest.fixture(scope="module")
def installed(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The same environment after the installation of the wheel."""
    wheels = tmp_path_factory.mktemp("wheels")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", wheels, ROOT, cwd=wheels)
    (wheel,) = wheels.glob("wildsage-*-py3-none-any.whl")
    before, began = megabytes(empty), time.monotonic()
    run(empty / "bin" / "pip", "install", "-c", ROOT / "constraints.txt", wheel, cwd=wheels)
    return Installed(empty / "bin", time.monotonic() - began, megabytes(empty) - before)


def test_the_base_installation_is_small(installed: Installed, report_wall: Callable[[str, float], None]):
    report_wall(f"pip install of the wheel, {installed.megabytes:.0f} MB", installed.seconds)
    assert installed.megabytes <= _MOST_MEGABYTES


def test_the_demo_needs_nothing_else(
    installed: Installed,
    offline: None,
    environ: dict[str, str],
    tmp_path: Path,
    report_wall: Callable[[str, float], None],
):
    alone = {
        **environ,
        "PATH": f"{installed.bin}:/usr/bin:/bin",
        "WILDSAGE_DATA_DIR": str(tmp_path / "data"),
    }
    began = time.monotonic()
    said = run(installed.bin / "wildsage", "demo", environ=alone, cwd=tmp_path)
    report_wall("wildsage demo", time.monotonic() - began)
    assert "s in all" in said
    assert (tmp_path / "demo-output" / "digits.png").read_bytes().startswith(b"\x89PNG")
    until(lambda: not processes_of(tmp_path / "data"), "the end of the demo's server and workers", seconds=30)


def megabytes(folder: Path) -> float:
    """Return what a folder takes on the disk."""
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 / 1e6
