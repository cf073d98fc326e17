"""Times on the wire: epoch seconds, ISO 8601 and RFC 822 dates."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from wildsage.aws.protocols.base import MismatchError

EPOCH_SECONDS = "unixTimestamp"
ISO_8601 = "iso8601"
RFC_822 = "rfc822"

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999


def parse_number(value: Any) -> float:
    """Read epoch seconds given as a number.

    Raises
    ------
    MismatchError
        If it is no number, or outside the years 1 to 9999.
    """
    if type(value) not in (int, float) or not _EARLIEST <= value <= _LATEST:
        raise MismatchError(f"{value!r:.64} is no timestamp: give the seconds since 1970-01-01T00:00:00Z")
    return float(value)


def parse_text(text: str) -> float:
    """Read a time in any of the three formats: the sender's is not always the model's.

    Raises
    ------
    MismatchError
        If the text is in none of them.
    """
    for read in (_from_iso, _from_rfc, float):
        try:
            return parse_number(read(text))
        except (ValueError, TypeError, OverflowError):
            continue
    raise MismatchError(f"{text[:64]!r} is no timestamp: give ISO 8601, such as 2026-01-31T12:00:00Z")


def _from_iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return _utc(moment).timestamp()


def _from_rfc(text: str) -> float:
    return _utc(parsedate_to_datetime(text)).timestamp()


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_epoch(value: Any) -> int | float:
    """Render epoch seconds, in milliseconds where there is a fraction.

    Raises
    ------
    TypeError
        If the value is neither a number nor a datetime.
    """
    if isinstance(value, datetime):
        value = _utc(value).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no timestamp")
    seconds = round(value, 3)
    return int(seconds) if seconds == int(seconds) else seconds


def to_text(value: Any, form: str) -> str:
    """Render a time (epoch seconds or datetime) in one of the three formats."""
    seconds = to_epoch(value)
    if form == EPOCH_SECONDS:
        return str(seconds)
    moment = datetime.fromtimestamp(seconds, UTC)
    if form == RFC_822:
        return format_datetime(moment, usegmt=True)
    precision = "seconds" if isinstance(seconds, int) else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
