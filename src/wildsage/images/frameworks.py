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
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
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
    sources
        Packages without wheels, which are built from their archives.
    """

    name: str
    pins: tuple[str, ...]
    imports: tuple[str, ...] = ()
    hint: str = ""
    sources: tuple[str, ...] = ()

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
        ``scikit-learn``, ``xgboost``, ``pytorch`` or ``python``: chooses the defaults of serving. ``spark``
        processes only.
    package
        The Python package whose version the tag promises; empty for an image that promises none.
    module
        AWS's name of the container's package, which scripts see as ``SM_FRAMEWORK_MODULE``.
    promised, promised_python
        Versions, as the image on AWS has them.
    environment
        Name in the table.
    needs_java
        It runs with the Java of this machine.
    """

    framework: str
    package: str
    module: str
    promised: str
    promised_python: str
    environment: str
    needs_java: bool = False


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
                    needs_java=entry.get("needs_java", False),
                )
    return None


def tag_patterns(repository: str) -> Sequence[str]:
    """Return the patterns of the tags of a repository."""
    entries = (entry for entry in _table()["image"] if entry["repository"] == repository)
    return [row["pattern"] for entry in entries for row in entry["tags"]]


def example_tag(repository: str, pattern: str) -> str:
    """Return a tag that a pattern of a repository matches, where tags cannot be counted; else empty."""
    rows = (row for entry in _table()["image"] if entry["repository"] == repository for row in entry["tags"])
    return next((row.get("example", "") for row in rows if row["pattern"] == pattern), "")


def environment_names(prefix: str = "") -> Sequence[str]:
    """Return the names of the environments that begin with `prefix`, in the order of the table."""
    return [name for name in _table()["environment"] if name.startswith(prefix)]


def environment_with_sdk(name: str, version: str) -> str:
    """Return the environment that stands in for `name` where code of a SageMaker Python SDK runs.

    Parameters
    ----------
    version
        Of the SDK, e.g. ``2.257.7``; empty: none of it runs.
    """
    rows = _table()["environment"][name].get("by_sdk", []) if version else []
    wanted = _release(version)
    found = (row["environment"] for row in rows if "below" not in row or wanted < _release(row["below"]))
    return next(found, name)


def installed_versions(package: str) -> Sequence[str]:
    """Return the versions of a package beside Wildsage itself, by this name or as its build for CPUs."""
    found = []
    for name in (package, f"{package}-cpu"):
        with suppress(PackageNotFoundError):
            found.append(version(name))
    return found


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
        name,
        pins=tuple(line for line in lines if line),
        imports=tuple(entry["imports"]),
        hint=entry.get("hint", ""),
        sources=tuple(entry.get("sources", ())),
    )


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: (3, 0, 0) of ``3.0.0.dev0``."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0]))


def _locks() -> Traversable:
    return files("wildsage.images") / "locks"


@cache
def _table() -> dict[str, Any]:
    """The table, read once: it is part of the package and cannot change."""
    return tomllib.loads((files("wildsage.images") / "environments.toml").read_text())
