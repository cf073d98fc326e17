"""The queries of GetMetricData and of alarms: statistics of metrics, and expressions over them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wildsage.store.metrics import MINUTE, Metric, MetricFilter, MetricStore, dimensions_of
from wildsage.telemetry.expressions import ExpressionError, Node, parse
from wildsage.telemetry.mathematics import Surroundings, evaluate
from wildsage.telemetry.periods import values_by_period
from wildsage.telemetry.search import read_search
from wildsage.telemetry.series import Array, TimeSeries, Value
from wildsage.telemetry.statistics import Statistic, UnknownStatisticError, statistic

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_SHORT_PERIODS = (1, 5, 10, 20, 30)
_DEFAULT_PERIOD = 300
_MOST_FOUND = 500


class QueryError(ValueError):
    """A query breaks a rule. The text is for the user."""


@dataclass(frozen=True, slots=True)
class StatisticQuery:
    """A statistic of one metric."""

    metric: Metric
    statistic: Statistic
    period: int
    unit: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """One query: a statistic of a metric, or an expression.

    Attributes
    ----------
    label
        As the user wrote it; empty where they did not.
    returned
        Whether the user wants to see its values.
    period
        Of an expression that has none by itself.
    """

    id: str
    asks: StatisticQuery | Node
    label: str
    returned: bool
    period: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """The time that queries are about.

    Attributes
    ----------
    phase
        Periods begin at this time, and whole periods before and behind it.
    """

    start: int
    end: int
    phase: int = 0

    def first(self, period: int) -> int:
        """Return where the period begins in which the span does."""
        return self.start - (self.start - self.phase) % period


def check_period(period: int, where: str) -> int:
    """Return a period that is allowed.

    Raises
    ------
    QueryError
        If it is none.
    """
    if period not in _SHORT_PERIODS and period % MINUTE:
        raise QueryError(f"The parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}.")
    return period


def read_queries(account: str, region: str, raw: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Read ``MetricDataQueries``, or the ``Metrics`` of an alarm.

    Raises
    ------
    QueryError
        If one breaks a rule that can be seen without the data.
    """
    queries = [
        _read(account, region, item, f"MetricDataQueries.member.{number}")
        for number, item in enumerate(raw, 1)
    ]
    if len({query.id for query in queries}) < len(queries):
        raise QueryError("The values for parameter id in MetricDataQueries are not unique.")
    if not any(query.returned for query in queries):
        raise QueryError("At least one of the MetricDataQueries must have ReturnData = true.")
    return queries


def _read(account: str, region: str, item: Mapping[str, Any], where: str) -> Query:
    if not _ID.fullmatch(item["Id"]):
        raise QueryError(
            f"The value {item['Id']} for parameter {where}.Id is not matching the expected pattern"
            f" ^{_ID.pattern}$."
        )
    stat, expression, period = item.get("MetricStat"), item.get("Expression"), item.get("Period")
    if stat is not None and expression is not None:
        raise QueryError(
            "The parameters MetricDataQuery Expression and MetricStat are mutually exclusive and you have"
            " specified both."
        )
    if period is not None:
        check_period(period, f"{where}.Period")
    asks: StatisticQuery | Node
    if stat is not None:
        asks = _read_statistic(account, region, stat, f"{where}.MetricStat")
    elif expression is not None:
        asks = _read_expression(item["Id"], expression)
    else:
        raise QueryError(f"The parameter {where}.MetricStat is required.")
    return Query(item["Id"], asks, item.get("Label", ""), item.get("ReturnData", True), period)


def _read_statistic(account: str, region: str, stat: Mapping[str, Any], where: str) -> StatisticQuery:
    metric = stat["Metric"]
    for member in ("Namespace", "MetricName"):
        if member not in metric:
            raise QueryError(f"The parameter {where}.Metric.{member} is required.")
    try:
        found = statistic(stat["Stat"])
    except UnknownStatisticError:
        raise QueryError(
            f"The value {stat['Stat']} for parameter {where}.Stat is not supported: use SampleCount, Average,"
            " Sum, Minimum, Maximum, or an extended one such as p99 or TM(10%:90%)."
        ) from None
    return StatisticQuery(
        metric_of(account, region, metric),
        found,
        check_period(stat["Period"], f"{where}.Period"),
        stat.get("Unit"),
    )


def metric_of(account: str, region: str, raw: Mapping[str, Any]) -> Metric:
    """Return the metric that ``Namespace``, ``MetricName`` and ``Dimensions`` name."""
    dimensions = dimensions_of((item["Name"], item["Value"]) for item in raw.get("Dimensions", []))
    return Metric(account, region, raw["Namespace"], raw["MetricName"], dimensions)


def _read_expression(identifier: str, expression: str) -> Node:
    if expression.lstrip()[:7].upper() == "SELECT ":
        raise QueryError(
            f"Error in expression '{identifier}': Metrics Insights queries (SELECT) are not supported by"
            " Wildsage: use SEARCH"
        )
    try:
        return parse(expression)
    except ExpressionError as error:
        raise QueryError(f"Error in expression '{identifier}': {error}") from None


class QueryRun:
    """The values of some queries in one span of time, each computed once.

    Parameters
    ----------
    account, region
        Where SEARCH looks.
    """

    def __init__(
        self, metrics: MetricStore, queries: Sequence[Query], span: Span, *, account: str, region: str
    ) -> None:
        self._metrics = metrics
        self._queries = {query.id: query for query in queries}
        self._span = span
        self._place = (account, region)
        self._values: dict[str, Value] = {}
        self._open: list[str] = []
        periods = [query.asks.period for query in queries if isinstance(query.asks, StatisticQuery)]
        self._period = min(periods, default=_DEFAULT_PERIOD)

    def series(self, query: Query) -> Array:
        """Return the time series that a query has: one, or several where it is an array.

        Raises
        ------
        QueryError
            If its value is a number, or it has none.
        """
        try:
            value = self._value(query.id)
        except ExpressionError as error:
            raise QueryError(f"Error in expression '{query.id}': {error}") from None
        except (OverflowError, ValueError) as error:
            raise QueryError(f"Error in expression '{query.id}': a number is too large: {error}") from None
        except RecursionError:
            raise QueryError(
                f"Error in expression '{query.id}': too many queries refer to one another in a row"
            ) from None
        if isinstance(value, tuple):
            return value
        if isinstance(value, TimeSeries):
            # Computed from whatever: it has no better name than its own.
            return (value if isinstance(query.asks, StatisticQuery) else replace(value, label=query.id),)
        raise QueryError(
            f"Error in expression '{query.id}': its value is a single number; ReturnData needs a time series"
        )

    def _value(self, identifier: str) -> Value:
        if identifier in self._values:
            return self._values[identifier]
        query = self._queries.get(identifier)
        if query is None:
            raise ExpressionError(f"there is no query with the id {identifier!r}")
        if identifier in self._open:
            raise ExpressionError(f"the queries {', '.join(self._open)} refer to each other in a circle")
        self._open.append(identifier)
        value = self._values[identifier] = self._computed(query)
        self._open.pop()
        return value

    def _computed(self, query: Query) -> Value:
        if isinstance(query.asks, StatisticQuery):
            return self._statistic(query.asks, query.asks.metric.name)
        metrics = {
            other.id: one
            for other in self._queries.values()
            if isinstance(other.asks, StatisticQuery) and isinstance(one := self._value(other.id), TimeSeries)
        }
        around = Surroundings(
            lookup=self._value,
            metrics=metrics,
            search=self._search,
            start=self._span.start,
            end=self._span.end,
            phase=self._span.phase,
            period=query.period or self._period,
        )
        return evaluate(query.asks, around)

    def _statistic(self, asked: StatisticQuery, label: str) -> TimeSeries:
        points = values_by_period(
            self._metrics,
            asked.metric,
            asked.statistic,
            span=(self._span.first(asked.period), self._span.end),
            period=asked.period,
            unit=asked.unit,
        )
        return TimeSeries(label, asked.period, points)

    def _search(self, text: str, name: str, period: int) -> Array:
        terms = read_search(text)
        try:
            wanted = statistic(name)
            check_period(period, "SEARCH period")
        except UnknownStatisticError:
            raise ExpressionError(f"SEARCH: {name!r} is no statistic") from None
        except QueryError as error:
            raise ExpressionError(str(error)) from None
        found: list[TimeSeries] = []
        after: Metric | None = None
        where = MetricFilter(*self._place, namespace=terms.namespace)
        while page := self._metrics.metrics(where, after, _MOST_FOUND):
            for metric in filter(terms.matches, page):
                label = " ".join([*(value for _, value in metric.dimensions), metric.name])
                found.append(self._statistic(StatisticQuery(metric, wanted, period, None), label))
                if len(found) == _MOST_FOUND:
                    return tuple(found)
            after = page[-1]
        return tuple(found)
