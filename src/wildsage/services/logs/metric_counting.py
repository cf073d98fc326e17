"""Counts metrics in log events as they come in."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wildsage.core.clock import Clock
from wildsage.formats.logframes import Frame
from wildsage.services.logs.conditions import PatternError
from wildsage.services.logs.pattern import FilterPattern
from wildsage.store.database import Transaction
from wildsage.store.distributions import Distribution
from wildsage.store.metric_filters import MetricFilter, MetricFilters
from wildsage.store.metrics import MINUTE, Metric, MetricStore, Sample, dimensions_of

_LARGEST = 2.0**360
_log = logging.getLogger(__name__)


class MetricCounting:
    """Applies the metric filters of a group to its new events, in the transaction that indexes them.

    So each event is counted once, whatever crashes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, transaction: Transaction, group_id: int, frames: Sequence[Frame]) -> None:
        """Count in new events of a group."""
        for item in MetricFilters.of_group(transaction, group_id):
            try:
                samples = list(counted(item, FilterPattern.parse(item.pattern), frames))
            except PatternError:
                _log.exception("metric filter %s of %s cannot be read any more", item.name, item.group)
                continue
            MetricStore.record(transaction, samples, self._clock.now())


def counted(item: MetricFilter, pattern: FilterPattern, frames: Sequence[Frame]) -> Iterator[Sample]:
    """Yield what a filter counts in some events."""
    transformation = item.metric
    unit = transformation.get("unit", "None")
    matched: set[int] = set()
    for frame in frames:
        if not pattern.matches(frame.message):
            continue
        value = _value(pattern, frame.message, transformation["metricValue"])
        dimensions = _dimensions(pattern, frame.message, transformation.get("dimensions", {}))
        if value is None or dimensions is None:
            continue
        matched.add(frame.timestamp_ms // 60_000)
        metric = _metric(item, dimensions)
        yield Sample(metric, frame.timestamp_ms / 1000, Distribution.of([value]), unit)
    if "defaultValue" in transformation:
        # Of minutes in which there were events, and none that matched.
        for minute in sorted({frame.timestamp_ms // 60_000 for frame in frames} - matched):
            default = Distribution.of([float(transformation["defaultValue"])])
            yield Sample(_metric(item, {}), float(minute * MINUTE), default, unit)


def _metric(item: MetricFilter, dimensions: Mapping[str, str]) -> Metric:
    return Metric(
        item.account,
        item.region,
        item.metric["metricNamespace"],
        item.metric["metricName"],
        dimensions_of(dimensions.items()),
    )


def _value(pattern: FilterPattern, message: str, wanted: str) -> float | None:
    text = pattern.extract(message, wanted) if wanted.startswith("$") else wanted
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _LARGEST else None


def _dimensions(pattern: FilterPattern, message: str, wanted: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the dimensions of an event; None where it lacks one."""
    found = {}
    for name, selector in wanted.items():
        value = pattern.extract(message, selector)
        if not value:
            return None
        found[name] = value[:1024]
    return found
