"""The policy of a browser's upload: what its form must hold, signed by whoever handed the form out.

Source: "Creating a POST policy" (Amazon S3 API Reference, POST Object).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wildsage.core.clock import iso8601
from wildsage.core.errors import ServiceError

_UNCOVERED = frozenset({"policy", "signature", "x-amz-signature", "awsaccesskeyid", "file"})
"""Fields that no condition needs to name."""

_FREE = ("x-ignore-", "x-amz-checksum-")
"""Beginnings of such fields: a checksum makes an upload stricter, never laxer."""


@dataclass(frozen=True, slots=True)
class SizeRange:
    """How many bytes a file may have."""

    smallest: int = 0
    largest: int | None = None


def check_policy(text: str, fields: Mapping[str, str], now: float) -> SizeRange:
    """Hold a form against its policy.

    Parameters
    ----------
    text
        The policy as the form has it: JSON in base64.
    fields
        By lower-case name, with the bucket as ``bucket``.

    Raises
    ------
    ServiceError
        ``InvalidPolicyDocument`` (400), or ``AccessDenied`` (403) where a condition does not hold.
    """
    expiration, conditions = _read(text)
    if expiration <= now:
        raise _denied(f"Policy expired at {iso8601(expiration)}.")
    size = SizeRange()
    named: set[str] = set()
    for condition in conditions:
        match condition:
            case ["content-length-range", smallest, largest]:
                size = SizeRange(_number(smallest), _number(largest))
            case [str(kind), str(variable), str(value)] if variable.startswith("$"):
                named.add(variable[1:].lower())
                _check(kind.lower(), variable[1:].lower(), value, fields)
            case dict() if len(condition) == 1:
                [(name, value)] = condition.items()
                named.add(name.lower())
                _check("eq", name.lower(), str(value), fields)
            case _:
                raise _invalid(f"Invalid Condition: {json.dumps(condition)[:200]}")
    extra = {name for name in fields if name != "bucket" and not name.startswith(_FREE)} - named - _UNCOVERED
    if extra or "bucket" not in named:
        raise _denied(f"Extra input fields: {', '.join(sorted(extra)) or 'bucket'}")
    return size


def _read(text: str) -> tuple[float, list[Any]]:
    try:
        document = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _invalid("Invalid JSON, or not in base64") from None
    if not isinstance(document, dict) or "expiration" not in document:
        raise _invalid("Policy missing expiration.")
    conditions = document.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise _invalid("Policy missing conditions.")
    try:
        moment = datetime.fromisoformat(document["expiration"])
    except (ValueError, TypeError):
        raise _invalid(f"Invalid 'expiration' value: {str(document['expiration'])[:80]!r}") from None
    if "T" not in document["expiration"]:
        raise _invalid(f"Invalid 'expiration' value: {document['expiration'][:80]!r}")
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp(), conditions


def _check(kind: str, name: str, value: str, fields: Mapping[str, str]) -> None:
    given = fields.get(name, "")
    match kind:
        case "eq":
            holds = given == value
        case "starts-with" if name == "content-type":
            holds = all(one.strip().startswith(value) for one in given.split(","))
        case "starts-with":
            holds = given.startswith(value)
        case _:
            raise _invalid(f"Invalid Condition: unknown operation {kind!r}")
    if not holds:
        raise _denied(f'Policy Condition failed: ["{kind}", "${name}", "{value}"]')


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _invalid(f"Invalid content-length-range: {str(value)[:40]!r} is no number of bytes")
    return value


def _invalid(reason: str) -> ServiceError:
    return ServiceError(f"Invalid Policy: {reason}", code="InvalidPolicyDocument", status=400)


def _denied(reason: str) -> ServiceError:
    return ServiceError(f"Invalid according to Policy: {reason}", code="AccessDenied", status=403)
