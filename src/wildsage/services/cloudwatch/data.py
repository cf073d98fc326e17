"""GetMetricStatistics and GetMetricData."""

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.common import (
    dimension_pairs,
    invalid,
    invalid_combination,
    invalid_token,
    invalid_value,
    missing,
)
from wildsage.services.cloudwatch.labels import LabelTime, label_of
from wildsage.services.operation import Request, Response, operation
from wildsage.services.pages import Pages
from wildsage.store.metrics import MetricStore, Series
from wildsage.telemetry.periods import by_period, rounded_start
from wildsage.telemetry.queries import (
    Query,
    QueryError,
    QueryRun,
    Span,
    check_period,
    metric_of,
    read_queries,
)
from wildsage.telemetry.series import TimeSeries
from wildsage.telemetry.statistics import Statistic, UnknownStatisticError, statistic

_MOST_STATISTICS = 1_440
_MOST_QUERIES = 500
_MOST_DATAPOINTS = 100_800
_PAGES = Pages("NextToken", "MaxDatapoints", _MOST_DATAPOINTS, error=invalid_token)


class MetricQueries:
    """Operations that compute something from metrics."""

    def __init__(self, metrics: MetricStore) -> None:
        self._metrics = metrics

    @operation("GetMetricStatistics")
    async def statistics(self, context: RequestContext, request: Request) -> Response:
        """Return statistics of one metric, by period and unit. Periods are counted from the start."""
        dimension_pairs(request.get("Dimensions", []))
        asked = _statistics(request)
        period = request["Period"]
        try:
            check_period(period, "Period")
        except QueryError as error:
            raise invalid_value(str(error)) from None
        if request["StartTime"] >= request["EndTime"]:
            raise invalid_combination("The parameter StartTime must be less than the parameter EndTime.")
        start = rounded_start(request["StartTime"], context.clock.now(), period)
        end = math.ceil(request["EndTime"])
        count = -(-(end - start) // period)
        if count > _MOST_STATISTICS:
            raise invalid_combination(
                f"You have requested up to {count} datapoints, which exceeds the limit of {_MOST_STATISTICS}."
                " You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        metric = metric_of(context.account, context.region, request)

        def compute() -> list[dict[str, Any]]:
            return [
                point
                for series in self._metrics.series(metric, request.get("Unit"))
                for point in self._datapoints(series, asked, (start, end), period)
            ]

        return {"Label": metric.name, "Datapoints": await asyncio.to_thread(compute)}

    def _datapoints(
        self, series: Series, asked: list[tuple[str, Statistic]], span: tuple[int, int], period: int
    ) -> Iterator[dict[str, Any]]:
        needed = any(one.needs_values for _, one in asked)
        found = by_period(self._metrics, series.id, span, period, with_values=needed)
        for at, values in found.items():
            shown: dict[str, Any] = {"Timestamp": float(at), "Unit": series.unit}
            for member, one in asked:
                value = one.compute(values)
                if value is not None and member:
                    shown[member] = value
                elif value is not None:
                    shown.setdefault("ExtendedStatistics", {})[one.name] = value
            yield shown

    @operation("GetMetricData")
    async def data(self, context: RequestContext, request: Request) -> Response:
        """Return the values of queries and expressions. Periods are whole ones of the clock (UTC)."""
        if len(request["MetricDataQueries"]) > _MOST_QUERIES:
            raise invalid(
                f"The collection MetricDataQueries must not have a size greater than {_MOST_QUERIES}."
            )
        if request["StartTime"] >= request["EndTime"]:
            raise invalid("The parameter StartTime must be less than the parameter EndTime.")
        limit = request.get("MaxDatapoints", _MOST_DATAPOINTS)
        if not 1 <= limit <= _MOST_DATAPOINTS:
            raise invalid(
                f"The parameter MaxDatapoints must be between 1 and {_MOST_DATAPOINTS}, not {limit}."
            )
        time = LabelTime(context, request.get("LabelOptions", {}).get("Timezone"))
        position = _PAGES.position(request, 2)
        try:
            queries = read_queries(context.account, context.region, request["MetricDataQueries"])
            results = await asyncio.to_thread(self._run, context, request, queries, time)
        except QueryError as error:
            raise invalid(str(error)) from None
        shown, following = _page(results, position, limit)
        response: Response = {"MetricDataResults": shown, "Messages": []}
        if following is not None:
            response["NextToken"] = _PAGES.behind(request, following)
        return response

    def _run(
        self, context: RequestContext, request: Request, queries: list[Query], time: LabelTime
    ) -> "list[_Result]":
        start = rounded_start(request["StartTime"], context.clock.now(), 1)
        span = Span(start, math.ceil(request["EndTime"]))
        run = QueryRun(self._metrics, queries, span, account=context.account, region=context.region)
        ascending = request.get("ScanBy") == "TimestampAscending"
        results = []
        for query in queries:
            if not query.returned:
                continue
            for one in run.series(query):
                points = sorted(one.points.items(), reverse=not ascending)
                results.append(_Result(query.id, label_of(query, one, time), points, one))
        return results


@dataclass(frozen=True, slots=True)
class _Result:
    id: str
    label: str
    points: list[tuple[int, float]]
    series: TimeSeries


def _page(
    results: list[_Result], position: list[Any] | None, limit: int
) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """Return the results behind a position, up to `limit` values, and the position where more is left.

    A position is the number of a result and how many of its values were shown.
    """
    first, done = position or (0, 0)
    shown = []
    for number, result in enumerate(results[first:], first):
        points = result.points[done:] if number == first else result.points
        part = points[:limit]
        limit -= len(part)
        complete = len(part) == len(points)
        shown.append(
            {
                "Id": result.id,
                "Label": result.label,
                "Timestamps": [float(at) for at, _ in part],
                "Values": [value for _, value in part],
                "StatusCode": "Complete" if complete else "PartialData",
            }
        )
        if not complete:
            return shown, [number, len(result.points) - len(points) + len(part)]
        if limit == 0 and number + 1 < len(results):
            return shown, [number + 1, 0]
    return shown, None


def _statistics(request: Request) -> list[tuple[str, Statistic]]:
    """Return the statistics that are asked for, each with the member that shows it; none for extended ones."""
    plain, extended = request.get("Statistics", []), request.get("ExtendedStatistics", [])
    if not plain and not extended:
        raise missing("Must specify either Statistics or ExtendedStatistics")
    asked = [(name, statistic(name)) for name in plain]
    for name in extended:
        try:
            found = statistic(name)
        except UnknownStatisticError:
            found = None
        if found is None or not found.needs_values:
            raise invalid_value(
                f"The value {name} for parameter ExtendedStatistics is not supported: use p0.0 to p100, tm, tc,"
                " ts, wm with a percentage, or TM(10%:90%) and the like."
            )
        asked.append(("", found))
    return asked
