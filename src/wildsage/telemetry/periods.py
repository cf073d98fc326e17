"""From stored points to the data points of a query: one for each period in which there was a value."""

from collections.abc import Iterable, Mapping

from wildsage.store.distributions import Distribution, merge
from wildsage.store.metrics import MINUTE, Metric, MetricStore, Point
from wildsage.telemetry.statistics import Statistic

_DAY = 86_400
_COARSE = ((63 * _DAY, 3600), (15 * _DAY, 300))
"""How old a start is, and to what it is rounded down then."""


def rounded_start(start: float, now: float, period: int) -> int:
    """Return where a query begins, as CloudWatch rounds it: the older, the coarser."""
    step = next((step for age, step in _COARSE if now - start > age), MINUTE)
    step = min(step, period) if period < MINUTE else step
    return int(start // step) * step


def by_period(points: Iterable[Point], start: int, period: int) -> dict[int, Distribution]:
    """Add up points by the period in which they lie, counted from `start`.

    Values that were kept by the minute are not shown in shorter periods: nobody knows when in it they came.
    """
    groups: dict[int, list[Distribution]] = {}
    for point in points:
        if point.resolution <= period:
            groups.setdefault(start + (point.at - start) // period * period, []).append(point.values)
    return {at: merge(items) for at, items in groups.items()}


def values_by_period(
    metrics: MetricStore,
    metric: Metric,
    statistic: Statistic,
    *,
    start: int,
    end: int,
    period: int,
    unit: str | None = None,
) -> dict[int, float]:
    """Return a statistic of a metric for each period from `start` to `end` that has a value, oldest first.

    Values of different units are added up, unless `unit` says which are wanted.
    """
    points = [
        point
        for series in metrics.series(metric, unit)
        for point in metrics.points(series.id, start, end, with_values=statistic.needs_values)
    ]
    return computed(by_period(points, start, period), statistic)


def computed(distributions: Mapping[int, Distribution], statistic: Statistic) -> dict[int, float]:
    """Return a statistic of each distribution that has it, by ascending time."""
    found = {}
    for at in sorted(distributions):
        value = statistic.compute(distributions[at])
        if value is not None:
            found[at] = value
    return found
