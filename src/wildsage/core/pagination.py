"""Opaque page tokens: where the next page begins, bound to the request that it continues."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from wildsage.core.errors import ValidationError


def _fingerprint(request: Mapping[str, Any]) -> str:
    relevant = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}
    text = json.dumps(relevant, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_token(request: Mapping[str, Any], position: list[Any]) -> str:
    """Return the token that continues `request` behind `position` (JSON values)."""
    text = json.dumps([_fingerprint(request), position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_token(request: Mapping[str, Any], length: int | None = None) -> list[Any] | None:
    """Return the position that the request's ``NextToken`` holds; None where it has none.

    Parameters
    ----------
    length
        How many values a position has; None: any number.

    Raises
    ------
    ValidationError
        If the token was not made by `encode_token` for a request with the same filters and order.
    """
    token = request.get("NextToken")
    if not token:
        return None
    try:
        fingerprint, position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, RecursionError):
        fingerprint, position = None, None
    made_here = isinstance(position, list) and length in (None, len(position))
    if fingerprint != _fingerprint(request) or not made_here:
        raise ValidationError(
            "Invalid NextToken: pass the token of the previous page, with the same filters and sort order"
        )
    found: list[Any] = position
    return found
