"""The library polars, which the extra ``polars`` brings. It is imported when it is first needed."""

import importlib
import importlib.util
from functools import cache
from typing import Any

from wildsage.formats.errors import MissingLibraryError


@cache
def polars_installed() -> bool:
    """Tell whether there is one."""
    return importlib.util.find_spec("polars") is not None


def polars(what: str) -> Any:
    """Import it.

    Raises
    ------
    MissingLibraryError
        If it is not installed; `what` is what needs it.
    """
    if not polars_installed():
        raise MissingLibraryError(what, "polars", "polars")
    return importlib.import_module("polars")
