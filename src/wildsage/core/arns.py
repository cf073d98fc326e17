"""Amazon Resource Names: build, parse; the form of a region's name, and its partition."""

import re
from dataclasses import dataclass
from functools import lru_cache

_PARTITION_OF_PREFIX = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)

REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
"""Pattern of a region's name, whether there is such a region or not."""

ROLE_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]{1,64})"
)


@lru_cache(maxsize=256)
def partition_of(region: str) -> str:
    """Return the partition (``aws``, ``aws-cn``, …) a region belongs to."""
    for prefix, partition in _PARTITION_OF_PREFIX:
        if region.startswith(prefix):
            return partition
    return "aws"


@dataclass(frozen=True, slots=True)
class Arn:
    """``arn:partition:service:region:account:resource``; region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Split an ARN.

        Raises
        ------
        ValueError
            If the text has not the six parts of an ARN.
        """
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise ValueError(f"{text!r} is not an ARN (arn:partition:service:region:account:resource)")
        return cls(*parts[1:])

    @property
    def resource_type(self) -> str:
        """The part of the resource before the first ``/`` (or ``:``)."""
        return self.resource.replace(":", "/", 1).split("/", 1)[0]

    @property
    def resource_name(self) -> str:
        """The part of the resource after the last ``/``; a role's name without its path."""
        return self.resource.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"
