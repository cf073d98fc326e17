"""The values of metric math: numbers, time series, arrays of time series, and what is done to each."""

import math
import statistics
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from wildsage.telemetry.expressions import ExpressionError


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by time, oldest first.

    Attributes
    ----------
    period
        Seconds from one value to the next where none is missing.
    """

    label: str
    period: int
    points: Mapping[int, float]


Array = tuple[TimeSeries, ...]
Value = float | TimeSeries | Array


def mapped(function: Callable[[float], float], value: Value) -> Value:
    """Apply a function to each number of a value."""
    if isinstance(value, tuple):
        return tuple(with_points(one, _applied(function, one.points)) for one in value)
    if isinstance(value, TimeSeries):
        return with_points(value, _applied(function, value.points))
    return function(value)


def combined(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Apply a function to the numbers of two values at the same times.

    Raises
    ------
    ExpressionError
        If both are arrays.
    """
    if isinstance(left, tuple) and isinstance(right, tuple):
        raise ExpressionError(
            "two arrays of time series cannot be combined: take the SUM or AVG of each first"
        )
    if isinstance(left, tuple):
        return tuple(_combined(function, one, right) for one in left if not isinstance(right, tuple))
    if isinstance(right, tuple):
        return tuple(_combined(function, left, one) for one in right)
    if isinstance(left, TimeSeries) or isinstance(right, TimeSeries):
        return _combined(function, left, right)
    return function(left, right)


def _combined(
    function: Callable[[float, float], float], left: float | TimeSeries, right: float | TimeSeries
) -> TimeSeries:
    if isinstance(left, TimeSeries) and isinstance(right, TimeSeries):
        pairs = {at: (value, right.points[at]) for at, value in left.points.items() if at in right.points}
        period = max(left.period, right.period)
        return TimeSeries(left.label, period, _finite((at, function(*pair)) for at, pair in pairs.items()))
    if isinstance(left, TimeSeries):
        number = float(right)  # type: ignore[arg-type]  # the case of two series is above
        return with_points(left, _applied(lambda value: function(value, number), left.points))
    if isinstance(right, TimeSeries):
        return with_points(right, _applied(lambda value: function(left, value), right.points))
    raise TypeError("one of both is a time series")


def with_points(series: TimeSeries, points: Mapping[int, float]) -> TimeSeries:
    """Return a series with other values."""
    return replace(series, points=points)


def _applied(function: Callable[[float], float], points: Mapping[int, float]) -> dict[int, float]:
    return _finite((at, function(value)) for at, value in points.items())


def _finite(points: Iterable[tuple[int, float]]) -> dict[int, float]:
    # What has no value, such as a division by zero, is missing.
    return {at: value for at, value in points if math.isfinite(value)}


def across(reduce: Callable[[list[float]], float], array: Array) -> TimeSeries:
    """Reduce the values that the series of an array have at each time; one that has none there is left out."""
    columns: dict[int, list[float]] = {}
    for series in array:
        for at, value in series.points.items():
            columns.setdefault(at, []).append(value)
    points = {at: reduce(columns[at]) for at in sorted(columns)}
    return TimeSeries("", max((series.period for series in array), default=60), points)


def divided(left: float, right: float) -> float:
    """Divide; by zero there is no result."""
    return left / right if right else math.nan


def raised(left: float, right: float) -> float:
    """Raise to a power; what is no real number, or too large, has no result."""
    try:
        power = left**right
    except (ZeroDivisionError, OverflowError):
        return math.nan
    return math.nan if isinstance(power, complex) else power


def logarithm(value: float) -> float:
    """Return the natural logarithm; of a number that is not positive there is none."""
    return math.log(value) if value > 0 else math.nan


def common_logarithm(value: float) -> float:
    """Return the logarithm to the base 10."""
    return math.log10(value) if value > 0 else math.nan


REDUCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "AVG": statistics.fmean,
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
    "STDDEV": statistics.pstdev,
}


def steps(series: TimeSeries) -> Iterable[tuple[int, int, float]]:
    """Yield each time but the first, the seconds since the time before it, and the change of the value."""
    before: tuple[int, float] | None = None
    for at, value in series.points.items():
        if before is not None:
            yield at, at - before[0], value - before[1]
        before = at, value


def running_sum(series: TimeSeries) -> TimeSeries:
    """Return what all values up to each time add up to."""
    total, points = 0.0, {}
    for at, value in series.points.items():
        total += value
        points[at] = total
    return with_points(series, points)


def filled(series: TimeSeries, times: Iterable[int], how: str | float | TimeSeries) -> TimeSeries:
    """Give a series a value at each of some times.

    Parameters
    ----------
    how
        The value; a series that has it; ``REPEAT`` the one before; ``LINEAR`` between those around.
    """
    known = sorted(series.points)
    points: dict[int, float] = {}
    for at in sorted({*times, *known}):
        value = series.points.get(at)
        if value is None:
            value = _filling(series.points, known, at, how)
        if value is not None:
            points[at] = value
    return with_points(series, points)


def _filling(
    points: Mapping[int, float], known: list[int], at: int, how: str | float | TimeSeries
) -> float | None:
    if isinstance(how, TimeSeries):
        return how.points.get(at)
    if isinstance(how, float):
        return how
    index = bisect(known, at)
    if index == 0 or (how == "LINEAR" and index == len(known)):
        return None
    before = points[known[index - 1]]
    if how == "REPEAT":
        return before
    share = (at - known[index - 1]) / (known[index] - known[index - 1])
    return before + (points[known[index]] - before) * share
