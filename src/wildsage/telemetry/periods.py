"""From stored points to the data points of a query: one for each period in which there was a value."""

from wildsage.store.distributions import Distribution, merge
from wildsage.store.metrics import MINUTE, Metric, MetricStore
from wildsage.telemetry.statistics import Statistic

_DAY = 86_400
_COARSE = ((63 * _DAY, 3600), (15 * _DAY, 300))
"""How old a start is, and to what it is rounded down then."""


def rounded_start(start: float, now: float, period: int) -> int:
    """Return where a query begins, as CloudWatch rounds it: the older, the coarser."""
    step = next((step for age, step in _COARSE if now - start > age), MINUTE)
    step = min(step, period) if period < MINUTE else step
    return int(start // step) * step


def by_period(
    metrics: MetricStore, series_id: int, span: tuple[int, int], period: int, *, with_values: bool
) -> dict[int, Distribution]:
    """Return what came in each period of a span, counted from its start, oldest first.

    Values that were kept by the minute are not shown in shorter periods: nobody knows when in it they came.

    Parameters
    ----------
    with_values
        Whether the four numbers are not enough: then every point is read.
    """
    start, end = span
    if not with_values:
        return metrics.sums(series_id, start, end, period)
    groups: dict[int, list[Distribution]] = {}
    for point in metrics.points(series_id, start, end):
        if point.resolution <= period:
            groups.setdefault(start + (point.at - start) // period * period, []).append(point.values)
    return {at: merge(items) for at, items in groups.items()}


def values_by_period(
    metrics: MetricStore,
    metric: Metric,
    statistic: Statistic,
    *,
    span: tuple[int, int],
    period: int,
    unit: str | None = None,
) -> dict[int, float]:
    """Return a statistic of a metric for each period of a span that has a value, oldest first.

    Values of different units are added up, unless `unit` says which are wanted.
    """
    together: dict[int, list[Distribution]] = {}
    for series in metrics.series(metric, unit):
        found = by_period(metrics, series.id, span, period, with_values=statistic.needs_values)
        for at, values in found.items():
            together.setdefault(at, []).append(values)
    computed = {at: statistic.compute(merge(together[at])) for at in sorted(together)}
    return {at: value for at, value in computed.items() if value is not None}
