"""AWS's own policies (``arn:aws:iam::aws:policy/…``): there without having been made."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_ARN = re.compile(r"arn:[a-z-]+:iam::aws:policy(?P<path>/(?:[\w+=,.@-]+/)*)(?P<name>[\w+=,.@-]{1,128})")
_PUBLISHED_AT = 1423094400.0
"""When they say they were made: 2015-02-05, the oldest of them."""


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """One of AWS's policies.

    Attributes
    ----------
    document
        JSON; grants nothing where the policy is not in our table.
    """

    arn: str
    name: str
    path: str
    description: str
    document: str
    known: bool
    created_at: float = _PUBLISHED_AT

    @property
    def id(self) -> str:
        """An identifier that is the same in every installation."""
        return "ANPA" + hashlib.sha256(self.name.encode()).hexdigest()[:17].upper()


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((files("wildsage.services.iam") / "managed_policies.toml").read_text())


class ManagedPolicies:
    """The table of ``managed_policies.toml``, read when it is first asked."""

    def find(self, arn: str) -> ManagedPolicy | None:
        """Return the policy; None if the ARN is not of the form of AWS's policies.

        One that AWS has under another path is not the same policy: it is unknown, and grants nothing.
        """
        found = _ARN.fullmatch(arn)
        if found is None:
            return None
        entry = _table().get(found["name"], {})
        known = bool(entry) and entry.get("path", "/") == found["path"]
        statements = entry["statements"] if known else []
        return ManagedPolicy(
            arn=arn,
            name=found["name"],
            path=found["path"],
            description=entry["description"] if known else "",
            document=json.dumps({"Version": "2012-10-17", "Statement": statements}),
            known=known,
        )

    def all(self, partition: str) -> list[ManagedPolicy]:
        """Return the table's policies, ordered by name."""
        arns = (
            f"arn:{partition}:iam::aws:policy{entry.get('path', '/')}{name}"
            for name, entry in _table().items()
        )
        found = [policy for policy in map(self.find, arns) if policy is not None]
        return sorted(found, key=lambda policy: policy.name.lower())
