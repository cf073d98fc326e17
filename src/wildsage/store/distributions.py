"""What is kept of the values of a metric in one moment: four numbers, and the values as far as they fit.

A distribution of many different values is coarsened, each value to a power of a common base, until it fits:
count, sum, minimum and maximum stay exact, percentiles stay within one percent at first.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MOST_DISTINCT = 1_000
_FINEST_BASE = 1.01

Counts = Mapping[float, float]
"""How often each value came."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of a metric in some time.

    Attributes
    ----------
    count, total, least, greatest
        CloudWatch's SampleCount, Sum, Minimum and Maximum. `count` need not be a whole number.
    values
        How often each value came; None where somebody else added them up, which leaves no percentiles.
    """

    count: float
    total: float
    least: float
    greatest: float
    values: Counts | None

    @classmethod
    def of(cls, values: Iterable[float], counts: Iterable[float] | None = None) -> "Distribution":
        """Make the distribution of some values, each of which came once or as often as `counts` says.

        Raises
        ------
        ValueError
            If there are no values.
        """
        merged: dict[float, float] = {}
        if counts is None:
            for value in values:
                merged[value] = merged.get(value, 0.0) + 1.0
        else:
            for value, count in zip(values, counts, strict=True):
                merged[value] = merged.get(value, 0.0) + count
        return cls(
            count=math.fsum(merged.values()),
            total=math.fsum(value * count for value, count in merged.items()),
            least=min(merged),
            greatest=max(merged),
            values=_fitted(merged),
        )

    @classmethod
    def summed_up(cls, count: float, total: float, least: float, greatest: float) -> "Distribution":
        """Make the distribution of values that are only known by their statistics.

        Where all of them are the same, that is enough to know them.
        """
        known = least == greatest and math.isclose(total, least * count)
        return cls(count, total, least, greatest, {least: count} if known else None)


def merge(items: Sequence[Distribution]) -> Distribution:
    """Return the distribution of all together.

    Raises
    ------
    ValueError
        If there are none.
    """
    if len(items) == 1:
        return items[0]
    values: dict[float, float] | None = {}
    for item in items:
        if values is None or item.values is None:
            values = None
            break
        for value, count in item.values.items():
            values[value] = values.get(value, 0.0) + count
    return Distribution(
        math.fsum(item.count for item in items),
        math.fsum(item.total for item in items),
        min(item.least for item in items),
        max(item.greatest for item in items),
        None if values is None else _fitted(values),
    )


def pack(distribution: Distribution) -> bytes | None:
    """Return the values as bytes, or None where nothing more is known than the four numbers say."""
    values = distribution.values
    if values is None or len(values) == 1:
        return None
    return array("d", [number for pair in values.items() for number in pair]).tobytes()


def unpack(count: float, total: float, least: float, greatest: float, packed: bytes | None) -> Distribution:
    """Return the distribution that `pack` packed, given its four numbers."""
    if packed is None:
        return Distribution.summed_up(count, total, least, greatest)
    numbers = array("d")
    numbers.frombytes(packed)
    values = dict(zip(numbers[::2], numbers[1::2], strict=True))
    return Distribution(count, total, least, greatest, values)


def _fitted(values: Mapping[float, float]) -> Counts:
    """Coarsen values until there are few enough different ones."""
    base = _FINEST_BASE
    while len(values) > MOST_DISTINCT:
        coarse: dict[float, float] = {}
        for value, count in values.items():
            rounded = _rounded(value, base)
            coarse[rounded] = coarse.get(rounded, 0.0) + count
        values = coarse
        base *= base
    return values


def _rounded(value: float, base: float) -> float:
    if value == 0:
        return 0.0
    step = math.log(base)
    return math.copysign(math.exp(round(math.log(abs(value)) / step) * step), value)
