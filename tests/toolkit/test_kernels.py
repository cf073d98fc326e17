import importlib.util
import os
import subprocess
import sys

import pytest

from wildsage import __version__
from wildsage.toolkit import kernels

MODULE = """
from wildsage.toolkit.kernels import kernel, part

@part
def half(number):
    return number / 2

@kernel
def total_of_halves(numbers):
    total = 0.0
    for number in numbers:
        total += half(number)
    return total
"""
LOADS = """
import numpy as np
from wildsage.toolkit import kernels
from wildsage.toolkit.logs import configure

configure()
total = kernels.load("halves:total_of_halves", lambda function: function(np.ones(2)))
assert total(np.array([1.0, 2.0, 3.0])) == 3
assert kernels.load("halves:total_of_halves", lambda function: function(np.ones(2))) is total
"""


def test_without_the_extra_there_is_no_kernel(monkeypatch):
    monkeypatch.setattr(kernels, "installed", lambda library: False)
    assert kernels.load("no:module", pytest.fail) is None

    def add(left, right):
        return left + right

    assert kernels.kernel(add) is kernels.part(add) is add


@pytest.mark.builds
@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba comes with the extra kernels")
def test_compiled_code_is_kept(tmp_path):
    (tmp_path / "halves.py").write_text(MODULE)

    def log(**variables):
        given = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        found = subprocess.run(
            [sys.executable, "-c", LOADS],
            env=given | variables | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = found.stdout.splitlines()  # the second time there is nothing to tell
        return line

    assert "was compiled in " in log(XDG_CACHE_HOME=str(tmp_path))
    kept = kernels.version_folder(tmp_path / "wildsage")
    assert __version__ in kept.parts
    assert "was fetched in " in log(XDG_CACHE_HOME=str(tmp_path))
    # In a job the folder can only be read, and a copy serves.
    before = sorted(kept.rglob("*"))
    found = log(XDG_CACHE_HOME="/nowhere", WILDSAGE_KERNELS=str(kept), TMPDIR=str(tmp_path))
    assert "was fetched in " in found
    assert str(kept) not in found
    assert sorted(kept.rglob("*")) == before
