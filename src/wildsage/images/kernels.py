"""The compiled kernels of built-in algorithms: made once for each version, kept beside the environments."""

import importlib.metadata
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wildsage import __version__
from wildsage.toolkit.resolve import load_spec


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of one algorithm.

    Attributes
    ----------
    module
        The algorithm's package.
    """

    module: str

    @property
    def name(self) -> str:
        """For whoever reads lists and logs."""
        return f"compiled kernel of {load_spec(self.module).name} {__version__}"

    @property
    def key(self) -> str:
        """Name of their folder: other versions of this package, of numba or of Python have another."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        name = load_spec(self.module).name
        return f"kernels-{name}-{__version__}-numba-{_numba()}-python-{python}"

    def commands(self, path: Path) -> Sequence[Sequence[str]]:
        """Return what compiles them into a folder."""
        command = (sys.executable, "-m", "wildsage.toolkit", "kernels", self.module)
        return (("mkdir", "-p", str(path)), ("env", f"NUMBA_CACHE_DIR={path}", *command))


def kernels_of(module: str) -> Kernels | None:
    """Return the kernels of an algorithm; None: it has none, or numba is not installed."""
    return Kernels(module) if _numba() and load_spec(module).kernels else None


@cache
def _numba() -> str:
    """Return numba's version; empty: it is not installed."""
    try:
        return importlib.metadata.version("numba")
    except importlib.metadata.PackageNotFoundError:
        return ""
