"""The conformance suite over every algorithm of the registry: one that is added without a test is tested too.

An algorithm whose folder of tests has a ``test_conformance.py`` runs it there.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from wildsage.algorithms.registry import MODULES, load_spec
from wildsage.toolkit.conformance import AlgorithmConformance

HERE = Path(__file__).parent


def suite_of(name):
    """The suite as a class of its own; skipped where a library is missing."""
    missing = [library for library in load_spec(name).requires if find_spec(library) is None]
    suite = type(f"Test_{name}", (AlgorithmConformance,), {"module": MODULES[name]})
    return pytest.mark.skipif(bool(missing), reason=f"{missing} is not installed")(suite)


for _name, _module in MODULES.items():
    if not (HERE / _module.rpartition(".")[2] / "test_conformance.py").exists():
        globals()[f"Test_{_name}"] = suite_of(_name)
