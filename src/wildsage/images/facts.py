"""What an image was resolved to, in words for whoever asks what ran."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wildsage import __version__
from wildsage.images.catalogue import ResolvedImage

_TELLING = (
    "numpy", "scipy", "pandas", "scikit-learn", "xgboost", "xgboost-cpu", "torch", "transformers", "datasets",
    "accelerate", "tensorflow-cpu", "keras", "pyspark",
)  # fmt: skip
"""Packages whose versions change results."""


def facts_of(image: ResolvedImage) -> Mapping[str, Any]:
    """Return name and kind of an image, its environment, and the versions of the packages that matter."""
    facts: dict[str, Any] = {"name": image.name, "kind": image.kind}
    if image.algorithm:
        facts["algorithm"] = image.algorithm
    if image.promised:
        facts["promised"] = image.promised
    if image.engine:
        facts["engine"] = image.engine
    else:
        facts["python"] = platform.python_version()
    if image.environment is not None:
        facts["environment"] = image.environment.name
        found = {name: image.environment.version_of(name) for name in _TELLING}
        facts["versions"] = {name: pinned for name, pinned in found.items() if pinned}
    elif image.kind == "algorithm":
        facts["versions"] = {"wildsage": __version__, **_installed()}
    return facts


def _installed() -> dict[str, str]:
    found = {}
    for name in _TELLING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
