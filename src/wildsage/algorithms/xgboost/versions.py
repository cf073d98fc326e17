"""Which version of the library an image tag promises."""

from collections.abc import Mapping
from typing import Final

PROMISED: Final[Mapping[str, str]] = {
    "0.90-1": "0.90",
    "0.90-2": "0.90",
    "1.0-1": "1.0",
    "1.2-1": "1.2",
    "1.2-2": "1.2",
    "1.3-1": "1.3",
    "1.5-1": "1.5",
    "1.7-1": "1.7",
    "3.0-5": "3.0",
    "3.2-0": "3.2",
}
"""Version by the tag of ``sagemaker-xgboost``, without ``-cpu-py3`` and the like."""

LEGACY_TAGS: Final = ("1", "latest")
"""Tags of the old repository ``xgboost``."""
LEGACY_VERSION: Final = "0.72"

_SUFFIXES: Final = ("-cpu-py3", "-gpu-py3", "-py3", "-arm64", "-cpu")


def promised_version(tag: str) -> str | None:
    """Return the version that an image tag promises; None for a tag that AWS does not have."""
    if tag in LEGACY_TAGS:
        return LEGACY_VERSION
    for suffix in _SUFFIXES:
        tag = tag.removesuffix(suffix)
    return PROMISED.get(tag)


def version_note(tag: str, running: str) -> str:
    """Say which version runs and which one the image tag promised.

    >>> version_note("1.7-1", "3.2.0")
    'XGBoost 3.2.0 runs; the image tag 1.7-1 promises 1.7: results may differ slightly'
    """
    promised = promised_version(tag)
    if not tag or promised is None:
        return f"XGBoost {running} runs"
    if running == promised or running.startswith(promised + "."):
        return f"XGBoost {running} runs, as the image tag {tag} promises"
    return f"XGBoost {running} runs; the image tag {tag} promises {promised}: results may differ slightly"
