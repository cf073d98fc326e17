"""Opaque page tokens: where the next page begins, bound to the request that it continues."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def encode_token(filters: Mapping[str, Any], position: list[Any]) -> str:
    """Return the token that continues a request with these members behind `position` (JSON values)."""
    text = json.dumps([_fingerprint(filters), position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_token(filters: Mapping[str, Any], token: str, length: int | None = None) -> list[Any]:
    """Return the position that a token holds.

    Parameters
    ----------
    filters
        The members of the request but for those that change from page to page.
    length
        How many values a position has; None: any number.

    Raises
    ------
    ValueError
        If the token was not made by `encode_token` for a request with the same members.
    """
    try:
        fingerprint, position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError, RecursionError):
        fingerprint, position = None, None
    if fingerprint != _fingerprint(filters):
        raise ValueError("this token was not made for this request")
    if not isinstance(position, list) or length not in (None, len(position)):
        raise ValueError("this token holds no position of this list")
    return position


def _fingerprint(filters: Mapping[str, Any]) -> str:
    text = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
