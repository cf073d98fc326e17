"""Compiled kernels: functions on arrays that numba compiles, where the extra ``kernels`` has brought it.

An algorithm keeps its kernels in a module of their own, decorated with `kernel`, and gets at them by `load`, which
returns None without numba: the caller then takes its numpy code, which computes the same to rounding. Without numba
the functions are plain Python, so that their mathematics can be tested everywhere.

Compiled code is kept in a folder per version, by numba for each source file, each processor and each version of its
own. In a job that is a copy of the folder that ``WILDSAGE_KERNELS`` names, since what a job sees of the machine is
read-only; else it is in the user's cache.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wildsage import __version__
from wildsage.formats.extras import installed
from wildsage.formats.extras import load as load_library
from wildsage.toolkit.logs import LOGGER, configure
from wildsage.toolkit.resolve import resolve
from wildsage.toolkit.spec import AlgorithmSpec

F = TypeVar("F", bound=Callable[..., Any])

EXTRA = "kernels"
FOLDER_VARIABLE = "WILDSAGE_KERNELS"
_LIBRARY = "numba"
# A product may be added without rounding in between, and a division by one number for many be a multiplication.
# Sums are taken in the order that is written: the compiler would else make vectors along the wrong loop. Infinities
# and NaN stay what they are: training that diverges has to be seen.
_FREEDOMS = {"contract", "nsz", "arcp"}


def kernel(function: F) -> F:
    """Have a function compiled at its first call; without numba it stays as it is."""
    return _compiled(function, "never")


def part(function: F) -> F:
    """Have a function compiled where a kernel calls it, as if it was written there.

    Called as a function of its own it would keep arrays in memory that a loop has in registers.
    """
    return _compiled(function, "always")


def _compiled(function: F, inline: str) -> F:
    if not installed(_LIBRARY):
        return function
    numba = load_library(_LIBRARY, "A compiled kernel", EXTRA)
    config = _config()
    if not config.CACHE_DIR:  # the variable NUMBA_CACHE_DIR wins
        config.CACHE_DIR = str(_folder())
    config.SLP_VECTORIZE = 1  # tuples of numbers become vectors
    compiled: F = numba.njit(cache=True, nogil=True, fastmath=_FREEDOMS, error_model="numpy", inline=inline)(
        function
    )
    return compiled


def _config() -> Any:
    return load_library("numba.core.config", "A compiled kernel", EXTRA)


def load(name: str, rehearse: Callable[[F], object]) -> F | None:
    """Return a kernel, compiled or fetched from where it is kept; None: there is no numba.

    Parameters
    ----------
    name
        ``module:function``.
    rehearse
        Calls it once, with arguments of the types that it will have.
    """
    if not installed(_LIBRARY):
        return None
    began = time.perf_counter()
    function: F = resolve(name)
    before = _counts(function)
    rehearse(function)
    compiled, fetched = (now - then for now, then in zip(_counts(function), before, strict=True))
    if compiled or fetched:
        how = "compiled" if compiled else "fetched"
        took = time.perf_counter() - began
        LOGGER.info("A kernel was %s in %.2f seconds (%s).", how, took, _config().CACHE_DIR)
    return function


def _counts(function: Any) -> tuple[int, int]:
    """Return how often this process has compiled a kernel, and how often fetched it from its folder."""
    return sum(function.stats.cache_misses.values()), sum(function.stats.cache_hits.values())


def compile_all(spec: AlgorithmSpec, environment: Mapping[str, str]) -> int:
    """Compile an algorithm's kernels into the folder that ``NUMBA_CACHE_DIR`` names; returns an exit code."""
    configure()
    if "NUMBA_CACHE_DIR" not in environment:
        LOGGER.error("NUMBA_CACHE_DIR is not set: say where compiled kernels are to be kept")
        return 2
    resolve(spec.kernels)()
    return 0


def version_folder(cache: Path) -> Path:
    """Return where the kernels of this version are in a cache."""
    return cache / "kernels" / __version__


def _folder() -> Path:
    """Return a folder for compiled code that can be written to; numba takes no other."""
    given = os.environ.get(FOLDER_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME")
    kept = version_folder((Path(home) if home else Path("~/.cache").expanduser()) / "wildsage")
    if given is None and _is_writable(kept):
        return kept
    own = Path(tempfile.mkdtemp(prefix="kernels-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    if given is not None and Path(given).is_dir():
        shutil.copytree(given, own, dirs_exist_ok=True)
    return own


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
