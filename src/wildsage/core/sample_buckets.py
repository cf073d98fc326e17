"""The public buckets with data that AWS's notebooks read. Here they belong to an account of their own."""

import re
from collections.abc import Iterator

from wildsage.core.arns import REGION

SAMPLES_ACCOUNT = "000000000000"
"""Owns the public sample buckets: all accounts read them, and none writes there."""

_GLOBAL = frozenset({"sagemaker-sample-files"})
_REGIONAL = (
    "jumpstart-cache-prod",
    "sagemaker-example-files-prod",
    "sagemaker-sample-data",
    "sagemaker-servicecatalog-seedcode",
)
_GLOBAL_REGION = "us-east-1"
_NAME = re.compile(rf"(?:{'|'.join(_REGIONAL)})-(?P<region>{REGION})")

HOW_TO_FILL = (
    "Wildsage fills the public sample buckets from this machine alone: `wildsage seed --list` shows what it can make,"
    " `wildsage seed --from-dir DIR` takes files of your own (DIR/BUCKET/KEY)."
)


def sample_region(name: str) -> str | None:
    """Return the region of a public sample bucket; None for the name of any other bucket."""
    if name in _GLOBAL:
        return _GLOBAL_REGION
    found = _NAME.fullmatch(name)
    return found["region"] if found else None


def sample_buckets(region: str) -> Iterator[str]:
    """Yield the names of the buckets for a region, the global ones included."""
    yield from sorted(_GLOBAL)
    yield from (f"{name}-{region}" for name in _REGIONAL)
