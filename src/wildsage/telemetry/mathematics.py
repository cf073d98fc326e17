"""Metric math: the value of an expression.

Source: "Using math expressions with CloudWatch metrics" (Amazon CloudWatch User Guide). Arithmetic has a result
where both sides have one; SUM, AVG, … over an array go over those that have a value at that time.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wildsage.telemetry import series as ts
from wildsage.telemetry.expressions import Application, ExpressionError, Listing, Name, Node, Number, Text
from wildsage.telemetry.series import Array, TimeSeries, Value

_MOST_FILLED = 200_000
_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": ts.divided,
    "^": ts.raised,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}
_EACH_NUMBER: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": lambda value: float(math.ceil(value)),
    "FLOOR": lambda value: float(math.floor(value)),
    "LOG": ts.logarithm,
    "LOG10": ts.common_logarithm,
}
_EACH_SERIES: Mapping[str, Callable[[TimeSeries], TimeSeries]] = {
    "DIFF": lambda one: ts.with_points(one, {at: change for at, _, change in ts.steps(one)}),
    "DIFF_TIME": lambda one: ts.with_points(one, {at: float(seconds) for at, seconds, _ in ts.steps(one)}),
    "RATE": lambda one: ts.with_points(one, {at: change / seconds for at, seconds, change in ts.steps(one)}),
    "RUNNING_SUM": ts.running_sum,
}
_OF_TIME: Mapping[str, Callable[[datetime], float]] = {
    "EPOCH": lambda moment: moment.timestamp(),
    "MINUTE": lambda moment: float(moment.minute),
    "HOUR": lambda moment: float(moment.hour),
    "DAY": lambda moment: float(moment.isoweekday()),
    "DATE": lambda moment: float(moment.day),
    "MONTH": lambda moment: float(moment.month),
    "YEAR": lambda moment: float(moment.year),
}
_NOT_HERE = frozenset(
    {"ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "INSIGHT_RULE_METRIC", "LAMBDA", "SERVICE_QUOTA"}
)

Search = Callable[[str, str, int], Array]
"""What the arguments of SEARCH find: its text, the statistic and the period."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an expression may refer to.

    Attributes
    ----------
    lookup
        The value of another query by its id; raises `ExpressionError` where there is none.
    metrics
        The metrics of the request, by id: what METRICS() means.
    start, end
        The time of the request, in which FILL fills.
    phase
        Periods begin at this time and whole periods before and behind it.
    period
        Of what has none by itself.
    """

    lookup: Callable[[str], Value]
    metrics: Mapping[str, TimeSeries]
    search: Search
    start: int
    end: int
    phase: int
    period: int


def evaluate(node: Node, around: Surroundings) -> Value:
    """Compute the value of an expression.

    Raises
    ------
    ExpressionError
        If it has none: an unknown name, a wrong argument, a function that is not built.
    """
    match node:
        case Number(value):
            return value
        case Name(name):
            return around.lookup(name)
        case Text(value):
            raise ExpressionError(f"a text is no value by itself: {value!r}")
        case Listing(items):
            return _array([evaluate(item, around) for item in items])
        case Application(function, arguments):
            return _applied(function, arguments, around)


def _applied(function: str, arguments: Sequence[Node], around: Surroundings) -> Value:
    if function in _OPERATORS:
        return _chain(function, arguments, around)
    special = _SPECIAL.get(function)
    if special is not None:
        counts, compute = special
        if len(arguments) not in counts:
            raise ExpressionError(f"{function} takes {_listed(counts)} arguments, not {len(arguments)}")
        return compute(arguments, around)
    if function in _NOT_HERE:
        raise ExpressionError(f"the function {function} is not supported by Wildsage")
    raise ExpressionError(f"there is no function {function}")


def _chain(function: str, arguments: Sequence[Node], around: Surroundings) -> Value:
    """Compute a row of operators such as ``a + b - c``, which is a tree as deep as the row is long."""
    pending: list[tuple[str, Node]] = []
    first, second = arguments
    pending.append((function, second))
    while isinstance(first, Application) and first.function in _OPERATORS:
        pending.append((first.function, first.arguments[1]))
        first = first.arguments[0]
    value = evaluate(first, around)
    for operator, right in reversed(pending):
        value = ts.combined(_OPERATORS[operator], value, evaluate(right, around))
    return value


def _listed(counts: Sequence[int]) -> str:
    return " or ".join(str(count) for count in counts)


def _array(values: Sequence[Value]) -> Array:
    found: list[TimeSeries] = []
    for value in values:
        if isinstance(value, tuple):
            found += value
        elif isinstance(value, TimeSeries):
            found.append(value)
        else:
            raise ExpressionError(f"an array holds time series, not the number {value:g}: use TIME_SERIES")
    return tuple(found)


def _series(node: Node, around: Surroundings) -> TimeSeries:
    return _single(evaluate(node, around))


def _single(value: Value) -> TimeSeries:
    if not isinstance(value, TimeSeries):
        raise ExpressionError("a single time series is expected here, not a number or an array")
    return value


def _array_of(node: Node, around: Surroundings) -> Array:
    return _array([evaluate(node, around)])


def _number(node: Node, around: Surroundings) -> float:
    value = evaluate(node, around)
    if not isinstance(value, float):
        raise ExpressionError("a number is expected here, not a time series")
    return value


def _each_number(function: str) -> "_Special":
    return (1,), lambda nodes, around: ts.mapped(_EACH_NUMBER[function], evaluate(nodes[0], around))


def _each_series(function: str) -> "_Special":
    def compute(nodes: Sequence[Node], around: Surroundings) -> Value:
        value = evaluate(nodes[0], around)
        apply = _EACH_SERIES[function]
        return tuple(map(apply, value)) if isinstance(value, tuple) else apply(_single(value))

    return (1,), compute


def _of_time(function: str) -> "_Special":
    def compute(nodes: Sequence[Node], around: Surroundings) -> Value:
        one = _series(nodes[0], around)
        read = _OF_TIME[function]
        return ts.with_points(one, {at: read(datetime.fromtimestamp(at, UTC)) for at in one.points})

    return (1,), compute


def _reduction(function: str) -> "_Special":
    reduce = ts.REDUCTIONS[function]

    def compute(nodes: Sequence[Node], around: Surroundings) -> Value:
        value = evaluate(nodes[0], around)
        if isinstance(value, tuple):
            return ts.across(reduce, value)
        if not isinstance(value, TimeSeries):
            return value
        return reduce(list(value.points.values())) if value.points else math.nan

    return (1,), compute


def _metrics(nodes: Sequence[Node], around: Surroundings) -> Value:
    """All metrics of the request, or those whose id holds a text."""
    part = ""
    if nodes:
        if not isinstance(nodes[0], Text):
            raise ExpressionError('METRICS takes a part of an id between double quotes, as METRICS("errors")')
        part = nodes[0].value
    return tuple(one for name, one in around.metrics.items() if part in name)


def _fill(nodes: Sequence[Node], around: Surroundings) -> Value:
    how: str | float | TimeSeries
    match nodes[1]:
        case Name("REPEAT" | "LINEAR" as word):
            how = word
        case node:
            value = evaluate(node, around)
            if isinstance(value, tuple):
                raise ExpressionError("FILL fills with a number, a time series, REPEAT or LINEAR")
            how = value
    value = evaluate(nodes[0], around)
    if isinstance(value, tuple):
        return tuple(ts.filled(one, _times(one.period, around), how) for one in value)
    one = _single(value)
    return ts.filled(one, _times(one.period, around), how)


def _times(period: int, around: Surroundings) -> range:
    times = range(around.start - (around.start - around.phase) % period, around.end, period)
    if len(times) > _MOST_FILLED:
        raise ExpressionError(
            f"{len(times)} periods of {period} s are too many to fill: take a longer period"
        )
    return times


def _if(nodes: Sequence[Node], around: Surroundings) -> Value:
    condition, yes, no = (evaluate(node, around) for node in nodes)
    if isinstance(condition, tuple) or isinstance(yes, tuple) or isinstance(no, tuple):
        raise ExpressionError("IF takes numbers and single time series, not arrays")
    if not isinstance(condition, TimeSeries):
        return yes if condition else no
    points = {}
    for at, value in condition.points.items():
        chosen = yes if value else no
        result = chosen.points.get(at) if isinstance(chosen, TimeSeries) else chosen
        if result is not None:
            points[at] = result
    return ts.with_points(condition, points)


def _datapoint_count(nodes: Sequence[Node], around: Surroundings) -> Value:
    value = evaluate(nodes[0], around)
    if isinstance(value, tuple):
        return ts.across(lambda column: float(len(column)), value)
    return float(len(_single(value).points))


def _slice(nodes: Sequence[Node], around: Surroundings) -> Value:
    array = _array_of(nodes[0], around)
    bounds = [int(_number(node, around)) for node in nodes[1:]]
    return array[bounds[0]] if len(bounds) == 1 and bounds[0] < len(array) else array[slice(*bounds)]


def _sort(nodes: Sequence[Node], around: Surroundings) -> Value:
    match nodes[1], nodes[2]:
        case Name(function), Name("ASC" | "DESC" as order) if function in ts.REDUCTIONS:
            reduce = ts.REDUCTIONS[function]
        case _:
            raise ExpressionError("SORT is written SORT(array, AVG | MIN | MAX | SUM, ASC | DESC [, count])")
    array = [one for one in _array_of(nodes[0], around) if one.points]
    array.sort(key=lambda one: reduce(list(one.points.values())), reverse=order == "DESC")
    return tuple(array[: int(_number(nodes[3], around))] if len(nodes) > 3 else array)


def _first_or_last(index: int) -> "_Special":
    def compute(nodes: Sequence[Node], around: Surroundings) -> Value:
        array = _array_of(nodes[0], around)
        return array[index] if array else TimeSeries("", around.period, {})

    return (1,), compute


def _search(nodes: Sequence[Node], around: Surroundings) -> Value:
    match nodes:
        case [Text(text), Text(statistic)]:
            return around.search(text, statistic, around.period)
        case [Text(text), Text(statistic), Number(period)]:
            return around.search(text, statistic, int(period))
    raise ExpressionError("SEARCH is written SEARCH('{Namespace, Dimension} term', 'Average', 300)")


def _constant(nodes: Sequence[Node], around: Surroundings) -> Value:
    number = _number(nodes[0], around)
    return TimeSeries("", around.period, dict.fromkeys(_times(around.period, around), number))


def _remove_empty(nodes: Sequence[Node], around: Surroundings) -> Value:
    return tuple(one for one in _array_of(nodes[0], around) if one.points)


_Special = tuple[Sequence[int], Callable[[Sequence[Node], Surroundings], Value]]
_SPECIAL: Mapping[str, _Special] = {
    **{name: _each_number(name) for name in _EACH_NUMBER},
    **{name: _each_series(name) for name in _EACH_SERIES},
    **{name: _of_time(name) for name in _OF_TIME},
    **{name: _reduction(name) for name in ts.REDUCTIONS},
    "DATAPOINT_COUNT": ((1,), _datapoint_count),
    "FILL": ((2,), _fill),
    "FIRST": _first_or_last(0),
    "IF": ((3,), _if),
    "LAST": _first_or_last(-1),
    "METRICS": ((0, 1), _metrics),
    "METRIC_COUNT": ((1,), lambda nodes, around: float(len(_array_of(nodes[0], around)))),
    "PERIOD": ((1,), lambda nodes, around: float(_series(nodes[0], around).period)),
    "REMOVE_EMPTY": ((1,), _remove_empty),
    "SEARCH": ((2, 3), _search),
    "SLICE": ((2, 3), _slice),
    "SORT": ((3, 4), _sort),
    "TIME_SERIES": ((1,), _constant),
}
"""Numbers of arguments and what is computed, by the name of the function."""
