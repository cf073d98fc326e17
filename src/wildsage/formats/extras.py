"""Libraries that extras of the package bring. They are imported when they are first needed."""

import importlib
import importlib.util
from functools import cache
from typing import Any

from wildsage.formats.errors import MissingLibraryError


@cache
def installed(library: str) -> bool:
    """Tell whether there is one."""
    return importlib.util.find_spec(library) is not None


def load(module: str, what: str, extra: str) -> Any:
    """Import a module of a library.

    Raises
    ------
    MissingLibraryError
        If the library is not installed; `what` is what needs it, `extra` what brings it.
    """
    library = module.partition(".")[0]
    if not installed(library):
        raise MissingLibraryError(what, library, extra)
    return importlib.import_module(module)
