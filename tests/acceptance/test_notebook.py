"""A notebook like those of AWS, unchanged, with the kernel that `wildsage jupyter install` registers."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.live import FOLDER, Live

pytestmark = pytest.mark.acceptance


def test_a_notebook_runs_unchanged(
    server: Live, notebook: str, tmp_path: Path, report_wall: Callable[[str, float], None]
):
    server.wildsage("jupyter", "install", "--prefix", str(tmp_path), "--python", notebook, "--fast-waits")
    began = time.monotonic()
    done = subprocess.run(
        [notebook, FOLDER / "checks" / "run_notebook.py", FOLDER / "notebooks" / "kmeans.ipynb", "wildsage"],
        env={**server.environ, "PATH": os.environ["PATH"], "JUPYTER_PATH": str(tmp_path / "share" / "jupyter")},
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    report_wall("a notebook: read, upload, fit, deploy, predict", time.monotonic() - began)
    assert done.returncode == 0, done.stderr[-5000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole" in said
    assert float(re.search(r"purity ([0-9.]+)", said)[1]) > 0.85
    assert "Installed" not in server.wildsage("jupyter", "uninstall")
    assert not (tmp_path / "share" / "jupyter" / "kernels" / "wildsage").exists()
