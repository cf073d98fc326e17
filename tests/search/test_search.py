"""The package as a whole."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["random_search", "grid_search", "hyperband", "early_stopping"])
def test_what_needs_no_scipy_does_not_load_it(module):
    code = f"import sys, wildsage.search.{module}; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
