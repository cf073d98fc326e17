"""The one place that reads the wall clock."""

import math
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """What the rest of Wildsage may know of time."""

    def now(self) -> float:
        """Wall-clock time in seconds since the epoch, as clients see it."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps backwards: for durations and deadlines."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Seconds since the epoch, in whole milliseconds (the resolution of the wire)."""
        return round(time.time(), 3)

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()


def iso8601(epoch_seconds: float) -> str:
    """Render a time as ``2026-01-31T12:00:00.000Z``."""
    # As datetime does: the fraction alone is rounded, which keeps the digits that the product would lose.
    fraction, whole = math.modf(epoch_seconds)
    carry, microseconds = divmod(round(fraction * 1_000_000), 1_000_000)
    return f"{_whole(int(whole) + carry)}.{microseconds // 1000:03d}Z"


@lru_cache(maxsize=64)
def _whole(seconds: int) -> str:
    # A log has many lines of one second.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
