"""The guide to add an algorithm, taken literally: its code, put where it says, passes the conformance suite."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "algorithms" / "adding.md"


@pytest.fixture
def folder(tmp_path):
    """Each snippet in the file that its heading, or its first comment, names."""
    (tmp_path / "nearest_mean").mkdir()
    for part in re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE):
        heading = re.search(r"`(\w+\.py)`", part.partition("\n")[0])
        for code in re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
            named = heading[1] if heading else re.match(r"# (\S+)", code)[1]
            (tmp_path / ("nearest_mean" if heading else "") / named).write_text(code)
    return tmp_path


def python(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_toy_algorithm_passes_the_suite(folder):
    done = python(folder, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_nearest_mean.py")
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 40


def test_the_toy_algorithm_is_shown_by_the_command(folder):
    done = python(folder, "wildsage", "algorithms", "show", "nearest_mean")
    assert done.returncode == 0, done.stderr
    assert "| `num_classes` | an integer greater than or equal to 2 | required |  | Classes" in done.stdout
    assert '`{"predictions": [{"predicted_label": 1.0, "distance": 0.5}]}`' in done.stdout
