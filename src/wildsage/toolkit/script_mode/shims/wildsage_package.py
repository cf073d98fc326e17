"""Wildsage's own modules for the modules beside this one, in processes where it is not installed."""

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import a module of the package that this file is in."""
    if find_spec("wildsage") is None:
        package = ModuleType("wildsage")
        package.__path__ = [str(Path(__file__).resolve().parents[3])]
        sys.modules["wildsage"] = package
    return importlib.import_module(name)
