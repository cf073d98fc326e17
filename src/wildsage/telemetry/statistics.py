"""The statistics of CloudWatch: the five plain ones, percentiles, trimmed and winsorized means, percentile ranks.

Source: "CloudWatch statistics definitions" (Amazon CloudWatch User Guide). Which value a percentile is, the
guide leaves open: here it is the smallest value that so many percent of all values do not exceed.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from wildsage.store.distributions import Distribution

_ALIASES = {"Min": "Minimum", "Max": "Maximum", "Avg": "Average", "n": "SampleCount"}
_NUMBER = r"\d+(?:\.\d{1,10})?"
_UP_TO = re.compile(rf"(?P<kind>p|tm|wm|tc|ts)(?P<percent>{_NUMBER})", re.IGNORECASE)
_BOUND = rf"-?{_NUMBER}%?"
_RANGE = re.compile(rf"(?P<kind>TM|WM|TC|TS|PR)\((?P<low>{_BOUND})?:(?P<high>{_BOUND})?\)", re.IGNORECASE)

Compute = Callable[[Distribution], float | None]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic.

    Attributes
    ----------
    compute
        Of a distribution; None where it cannot be known: the values were summed up by whoever sent them, or
        one is negative, of which CloudWatch gives no percentiles.
    needs_values
        Whether the four numbers of a distribution are not enough.
    """

    name: str
    compute: Compute
    needs_values: bool


class UnknownStatisticError(ValueError):
    """There is no such statistic."""


def statistic(name: str) -> Statistic:
    """Return the statistic of a name such as ``Average``, ``p99.9`` or ``TM(10%:90%)``.

    Raises
    ------
    UnknownStatisticError
        If there is none.
    """
    plain = _PLAIN.get(_ALIASES.get(name, name))
    if plain is not None:
        return Statistic(name, plain, needs_values=False)
    if name.upper() == "IQM":
        return _extended(name, "tm", 0.25, 0.75)
    found = _UP_TO.fullmatch(name)
    if found is not None and float(found["percent"]) <= 100:
        share = float(found["percent"]) / 100
        if found["kind"].lower() == "p":
            return Statistic(name, lambda values: _of_known(values, _percentile(share)), needs_values=True)
        return _extended(name, found["kind"].lower(), 0.0, share)
    found = _RANGE.fullmatch(name)
    if found is not None and (found["low"] or found["high"]):
        return _of_range(name, found["kind"].lower(), found["low"], found["high"])
    raise UnknownStatisticError(name)


_PLAIN: dict[str, Compute] = {
    "SampleCount": lambda values: values.count,
    "Average": lambda values: values.total / values.count if values.count else None,
    "Sum": lambda values: values.total,
    "Minimum": lambda values: values.least,
    "Maximum": lambda values: values.greatest,
}

_Ordered = list[tuple[float, float]]
"""Values in ascending order, each with how often it came."""


def _of_known(values: Distribution, compute: Callable[[_Ordered], float | None]) -> float | None:
    if values.values is None or values.least < 0 or values.count <= 0:
        return None
    return compute(sorted(values.values.items()))


def _percentile(share: float) -> Callable[[_Ordered], float | None]:
    def compute(ordered: _Ordered) -> float | None:
        wanted = share * math.fsum(count for _, count in ordered)
        reached = 0.0
        for value, count in ordered:
            reached += count
            # Counts are added one by one: a rounding error must not skip a value.
            if reached >= wanted - 1e-9 * max(1.0, wanted):
                return value
        return ordered[-1][0]

    return compute


def _of_range(name: str, kind: str, low: str | None, high: str | None) -> Statistic:
    """Make a statistic of the values between two bounds, both percentages or both values."""
    percent = {bound.endswith("%") for bound in (low, high) if bound}
    if len(percent) > 1 or (kind == "pr" and percent == {True}):
        raise UnknownStatisticError(name)
    lower = -math.inf if low is None else float(low.rstrip("%"))
    upper = math.inf if high is None else float(high.rstrip("%"))
    if percent == {True}:
        shares = (0.0 if low is None else lower / 100, 1.0 if high is None else upper / 100)
        if not 0 <= shares[0] <= shares[1] <= 1:
            raise UnknownStatisticError(name)
        return _extended(name, kind, *shares)

    def compute(ordered: _Ordered) -> float | None:
        # As the guide says: the lower bound is not part of the range, the upper one is.
        kept = [(value, count) for value, count in ordered if lower < value <= upper]
        if kind == "wm":
            kept = [(min(max(value, lower), upper), count) for value, count in ordered]
        if kind == "pr":
            return 100 * _count(kept) / _count(ordered)
        return _reduced(kind, kept)

    return Statistic(name, lambda values: _of_known(values, compute), needs_values=True)


def _extended(name: str, kind: str, low: float, high: float) -> Statistic:
    """Make a statistic of the values whose rank lies between two shares."""

    def compute(ordered: _Ordered) -> float | None:
        kept = _between_ranks(ordered, low, high)
        if kind == "wm" and kept:
            whole = _count(ordered)
            kept = [*kept, (kept[0][0], low * whole), (kept[-1][0], (1 - high) * whole)]
        return _reduced(kind, kept)

    return Statistic(name, lambda values: _of_known(values, compute), needs_values=True)


def _between_ranks(ordered: _Ordered, low: float, high: float) -> _Ordered:
    """Return the part of the values above the share `low` of all and up to the share `high`."""
    whole = _count(ordered)
    first, last, before = low * whole, high * whole, 0.0
    kept = []
    for value, count in ordered:
        part = min(before + count, last) - max(before, first)
        if part > 0:
            kept.append((value, part))
        before += count
    return kept


def _count(ordered: _Ordered) -> float:
    return math.fsum(count for _, count in ordered)


def _reduced(kind: str, kept: _Ordered) -> float | None:
    count = _count(kept)
    total = math.fsum(value * times for value, times in kept)
    if kind == "tc":
        return count
    if kind == "ts":
        return total
    return total / count if count else None
