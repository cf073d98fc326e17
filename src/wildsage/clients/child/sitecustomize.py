"""Python imports this file at its start where its folder is on PYTHONPATH: shorter waits, then the user's own file.

It runs in whatever interpreter the user has, which may not have Wildsage.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent
_OLDEST_PYTHON = (3, 9)


def _run(name: str, path: Path) -> object:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _shorten_waits() -> None:
    if sys.version_info < _OLDEST_PYTHON:
        sys.stderr.write("wildsage: --fast-waits needs Python 3.9 or newer: waits stay as long as they are\n")
        return
    module = _run("_wildsage_fast_waits", _FOLDER.parent / "fast_waits.py")
    getattr(module, "install")()  # noqa: B009 - a module found by its path has no type


def _run_the_next() -> None:
    """Run the ``sitecustomize`` that this one hides."""
    places = [place for place in sys.path if Path(place or ".").resolve() != _FOLDER.resolve()]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", places)
    if spec is not None and spec.origin is not None:
        _run("sitecustomize", Path(spec.origin))


_shorten_waits()
_run_the_next()
