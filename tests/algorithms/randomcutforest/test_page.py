"""What the page says opens a model."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from wildsage.algorithms.randomcutforest import RandomCutForest

PAGE = Path(__file__).parents[3] / "docs" / "algorithms" / "randomcutforest.md"


def test_the_lines_of_the_page_score_a_row(tmp_path):
    rows = np.random.default_rng(0).integers(0, 5, (300, 2)).astype(np.float32)
    model = RandomCutForest(num_trees=50, num_samples_per_tree=20).fit(rows)
    model.save(tmp_path / "model")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model" / "model_algo-1", "model_algo-1")
    code = next(
        part for part in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "tarfile" in part
    )
    assert "wildsage" not in code
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    with np.load(tmp_path / "model" / "model_algo-1") as file:
        row = file["points"][0] + 1
    assert float(done.stdout) == pytest.approx(model.predict(row[np.newaxis])["score"][0], rel=1e-5)
