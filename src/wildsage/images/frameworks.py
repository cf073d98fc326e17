"""The table of framework images: what a tag promises, and which locked environment stands in for it.

The data is ``environments.toml``; the locks below ``locks/`` are made from it by
``scripts/lock_environments.py`` and hold one exact pin a line.
"""

import hashlib
import platform
import re
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from wildsage.images.uri import ImageUri


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """A Python environment that can be prepared: exact pins for one interpreter.

    Attributes
    ----------
    name
        As in the table, e.g. ``sklearn-1.2``.
    pins
        ``NAME==VERSION``, dependencies included.
    imports
        Modules that must import before the environment counts as ready.
    hint
        What to do where the build fails, if there is something particular; else empty.
    """

    name: str
    pins: tuple[str, ...]
    imports: tuple[str, ...] = ()
    hint: str = ""

    @property
    def key(self) -> str:
        """Name of its folder in the cache: another lock or another interpreter is another folder."""
        base = getattr(sys, "_base_executable", sys.executable)
        identity = "\n".join([*self.pins, base, platform.python_version(), sysconfig.get_platform()])
        return f"{self.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def version_of(self, package: str) -> str:
        """Return the pinned version of a package; empty where it has none."""
        found = (pin.partition("==") for pin in self.pins)
        return next((version for name, _, version in found if name == package), "")


@dataclass(frozen=True, slots=True)
class FrameworkTag:
    """Some tags of a framework image.

    Attributes
    ----------
    framework
        ``scikit-learn``, ``xgboost``, ``pytorch`` or ``python``: chooses the defaults of serving.
    package
        The Python package whose version the tag promises; empty for an image that promises none.
    module
        AWS's name of the container's package, which scripts see as ``SM_FRAMEWORK_MODULE``.
    promised, promised_python
        Versions, as the image on AWS has them.
    environment
        Name in the table.
    """

    framework: str
    package: str
    module: str
    promised: str
    promised_python: str
    environment: str


class NoEnvironmentError(Exception):
    """The table has no environment for this interpreter."""


def framework_repositories() -> frozenset[str]:
    """Return the repositories of all framework images."""
    return frozenset(entry["repository"] for entry in _table()["image"])


def framework_tag(uri: ImageUri) -> FrameworkTag | None:
    """Return what the table says of an image; None if it has no such repository and tag."""
    for entry in _table()["image"]:
        if entry["repository"] != uri.repository:
            continue
        for row in entry["tags"]:
            match = re.fullmatch(row["pattern"], uri.tag)
            if match:
                return FrameworkTag(
                    framework=entry["framework"],
                    package=entry["package"],
                    module=entry["module"],
                    promised=match.expand(row.get("version", "")),
                    promised_python=match.expand(row.get("python", "")),
                    environment=row["environment"],
                )
    return None


def tag_patterns(repository: str) -> Sequence[str]:
    """Return the patterns of the tags of a repository."""
    entries = (entry for entry in _table()["image"] if entry["repository"] == repository)
    return [row["pattern"] for entry in entries for row in entry["tags"]]


def known_tags(repository: str) -> Sequence[str]:
    """Return the tag patterns of a repository, for error texts."""
    return [pattern.replace("\\", "") for pattern in tag_patterns(repository)]


def environment_names(prefix: str = "") -> Sequence[str]:
    """Return the names of the environments that begin with `prefix`, in the order of the table."""
    return [name for name in _table()["environment"] if name.startswith(prefix)]


def environment_spec(name: str) -> EnvironmentSpec:
    """Return the environment of that name for the running interpreter.

    Raises
    ------
    KeyError
        If the table has none of this name.
    NoEnvironmentError
        If it has no lock for this version of Python.
    """
    if name not in _table()["environment"]:
        raise KeyError(f"no environment {name!r}; there are {', '.join(environment_names())}")
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    lock = _locks() / f"{name}-{tag}.txt"
    if not lock.is_file():
        versions = sorted(
            entry.name.removeprefix(f"{name}-py").removesuffix(".txt")
            for entry in _locks().iterdir()
            if entry.name.startswith(f"{name}-py")
        )
        known = ", ".join(f"{version[0]}.{version[1:]}" for version in versions)
        raise NoEnvironmentError(
            f"the environment {name!r} is locked for Python {known}, and Wildsage runs on Python "
            f"{platform.python_version()}: install Wildsage with one of those"
        )
    lines = (line.split("#")[0].strip() for line in lock.read_text().splitlines())
    entry = _table()["environment"][name]
    return EnvironmentSpec(
        name, tuple(line for line in lines if line), tuple(entry["imports"]), entry.get("hint", "")
    )


def _locks() -> Traversable:
    return files("wildsage.images") / "locks"


@cache
def _table() -> dict[str, Any]:
    """The table, read once: it is part of the package and cannot change."""
    return tomllib.loads((files("wildsage.images") / "environments.toml").read_text())
