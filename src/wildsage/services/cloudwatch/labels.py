"""Labels of GetMetricData, with what stands in ``${…}``.

Source: "Using dynamic labels in graphs" (Amazon CloudWatch User Guide). What is not known stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.common import invalid
from wildsage.telemetry.queries import Query, StatisticQuery
from wildsage.telemetry.series import TimeSeries

_PLACE = re.compile(r"\$\{([^{}]*)\}")
_PROPERTY = re.compile(r"PROP\('(?P<name>[^']*)'\)")
_ZONE = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2})(?P<minutes>\d{2})")

Points = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class LabelTime:
    """How times are written in labels: ``Timezone`` of LabelOptions, such as ``+0130``."""

    context: RequestContext
    zone: str | None

    def __post_init__(self) -> None:
        if self.zone is not None and not _ZONE.fullmatch(self.zone):
            raise invalid(f"The value {self.zone} for parameter LabelOptions.Timezone is not like +0130.")

    def text(self, at: int) -> str:
        """Write a time."""
        found = _ZONE.fullmatch(self.zone or "+0000")
        offset = timedelta()
        if found is not None:
            offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
            offset = -offset if found["sign"] == "-" else offset
        return datetime.fromtimestamp(at, UTC).astimezone(timezone(offset)).strftime("%Y-%m-%d %H:%M:%S")


def label_of(query: Query, series: TimeSeries, time: LabelTime) -> str:
    """Return the label of a result."""
    if not query.label:
        return series.label
    points = sorted(series.points.items())

    def fill(found: "re.Match[str]") -> str:
        name = found[1].strip()
        if name == "LABEL":
            return series.label
        about = _PROPERTY.fullmatch(name)
        if about is not None:
            return _property(query, time.context, about["name"]) or found[0]
        if name not in _VALUES and name not in _TIMES:
            return found[0]
        if not points:
            return "--"
        return _VALUES[name](points) if name in _VALUES else " - ".join(map(time.text, _TIMES[name](points)))

    return _PLACE.sub(fill, query.label)


def _property(query: Query, context: RequestContext, name: str) -> str | None:
    if name in ("AccountId", "Region"):
        return context.account if name == "AccountId" else context.region
    if not isinstance(query.asks, StatisticQuery):
        return None
    metric = query.asks.metric
    if name.startswith("Dim."):
        return dict(metric.dimensions).get(name.removeprefix("Dim."))
    known = {
        "MetricName": metric.name,
        "Namespace": metric.namespace,
        "Period": str(query.asks.period),
        "Stat": query.asks.statistic.name,
    }
    return known.get(name)


def _least(points: Points) -> tuple[int, float]:
    return min(points, key=lambda point: point[1])


def _greatest(points: Points) -> tuple[int, float]:
    return max(points, key=lambda point: point[1])


_VALUES: Mapping[str, Callable[[Points], str]] = {
    "AVG": lambda points: f"{sum(value for _, value in points) / len(points):g}",
    "DATAPOINT_COUNT": lambda points: str(len(points)),
    "FIRST": lambda points: f"{points[0][1]:g}",
    "FIRST_LAST_RANGE": lambda points: f"{points[-1][1] - points[0][1]:g}",
    "LAST": lambda points: f"{points[-1][1]:g}",
    "MAX": lambda points: f"{_greatest(points)[1]:g}",
    "MIN": lambda points: f"{_least(points)[1]:g}",
    "MIN_MAX_RANGE": lambda points: f"{_greatest(points)[1] - _least(points)[1]:g}",
    "SUM": lambda points: f"{sum(value for _, value in points):g}",
}
_TIMES: Mapping[str, Callable[[Points], tuple[int, ...]]] = {
    "FIRST_TIME": lambda points: (points[0][0],),
    "FIRST_LAST_TIME_RANGE": lambda points: (points[0][0], points[-1][0]),
    "LAST_TIME": lambda points: (points[-1][0],),
    "MAX_TIME": lambda points: (_greatest(points)[0],),
    "MIN_TIME": lambda points: (_least(points)[0],),
    "MIN_MAX_TIME_RANGE": lambda points: tuple(sorted((_least(points)[0], _greatest(points)[0]))),
}
