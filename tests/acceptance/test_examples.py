"""The sample projects' own test suites, as their team runs them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.live import ROOT, is_calm

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def team(sdk2: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the SDK, pytest and Wildsage's wheel."""
    folder = tmp_path_factory.mktemp("team")
    subprocess.run([sdk2, "-m", "venv", "--without-pip", folder], check=True)
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    places = [
        Path(subprocess.run([python, "-c", find], check=True, capture_output=True, text=True).stdout.strip())
        for python in (folder / "bin" / "python", sdk2)
    ]
    (places[0] / "sdk.pth").write_text(f"{places[1]}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "--no-deps",
        ROOT,
    ]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return folder / "bin" / "python"


def test_diagnosis(
    team: Path,
    frameworks: Path,
    offline: None,
    environ: dict[str, str],
    tmp_path: Path,
    report_wall: Callable[[str, float], None],
):
    project = tmp_path / "diagnosis"
    shutil.copytree(ROOT / "examples" / "diagnosis", project)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    began = time.monotonic()
    done = subprocess.run(
        [team, "-m", "pytest", "-q", "-W", "ignore"],
        cwd=project, env={**environ, "TMPDIR": str(temporary), "PATH": os.environ["PATH"]}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-6000:]
    assert "6 passed" in done.stdout
    report_wall("examples/diagnosis: pytest, imports included", seconds)
    assert seconds < 40 or not is_calm(), "20 s on a machine that does nothing else"
    assert [path.name for path in temporary.iterdir() if "wildsage" in path.name] == []
