"""Names to objects, so that a declaration need not import what it names."""

import importlib
import importlib.util
from typing import Any

from wildsage.toolkit.errors import AlgorithmError
from wildsage.toolkit.spec import AlgorithmSpec


def resolve(name: str) -> Any:
    """Import ``module:object`` and return the object."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_spec(module: str) -> AlgorithmSpec:
    """Return the declaration ``SPEC`` of an algorithm's package.

    Raises
    ------
    TypeError
        If the package declares none.
    """
    spec = getattr(importlib.import_module(module), "SPEC", None)
    if not isinstance(spec, AlgorithmSpec):
        raise TypeError(f"{module} has no SPEC of the type AlgorithmSpec")
    return spec


def check_requirements(spec: AlgorithmSpec) -> None:
    """Make sure that the libraries of an algorithm are installed.

    Raises
    ------
    AlgorithmError
        Naming the command that installs what is missing.
    """
    for module, install in spec.requires.items():
        if importlib.util.find_spec(module) is None:
            raise AlgorithmError(f"{spec.title} needs the Python package '{module}'. Install it: {install}")
