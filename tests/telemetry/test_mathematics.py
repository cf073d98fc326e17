"""Metric math: what expressions compute."""

import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.telemetry.expressions import ExpressionError, parse
from wildsage.telemetry.mathematics import Surroundings, evaluate
from wildsage.telemetry.series import TimeSeries

PERIOD = 60
A = {0: 1.0, 60: 4.0, 180: -2.5}
B = {60: 2.0, 120: 0.0, 180: 5.0}
points = st.dictionaries(st.integers(0, 4).map(lambda n: n * PERIOD), st.integers(-9, 9).map(float))


def computed(text, **series):
    known = {name: TimeSeries(name, PERIOD, dict(sorted(one.items()))) for name, one in series.items()}

    def lookup(name):
        if name not in known:
            raise ExpressionError(f"no {name}")
        return known[name]

    def search(text, statistic, period):
        return tuple(one for name, one in known.items() if text in name)

    around = Surroundings(lookup, known, search, start=0, end=300, phase=0, period=PERIOD)
    found = evaluate(parse(text), around)
    if isinstance(found, TimeSeries):
        return dict(found.points)
    return [dict(one.points) for one in found] if isinstance(found, tuple) else found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", {60: 6.0, 180: 2.5}),
        ("a / b", {60: 2.0, 180: -0.5}),
        ("100 * a", {0: 100.0, 60: 400.0, 180: -250.0}),
        ("1 - a", {0: 0.0, 60: -3.0, 180: 3.5}),
        ("a ^ 2", {0: 1.0, 60: 16.0, 180: 6.25}),
        ("2 ^ 3 ^ 2", 512.0),
        ("a ^ 0.5", {0: 1.0, 60: 2.0}),
        ("-a", {0: -1.0, 60: -4.0, 180: 2.5}),
        ("a > 0 && a < 4", {0: 1.0, 60: 0.0, 180: 0.0}),
        ("a == 4 || b == 5", {60: 1.0, 180: 1.0}),
        ("ABS(a)", {0: 1.0, 60: 4.0, 180: 2.5}),
        ("CEIL(a)", {0: 1.0, 60: 4.0, 180: -2.0}),
        ("FLOOR(a)", {0: 1.0, 60: 4.0, 180: -3.0}),
        ("LOG10(a * 25)", {0: pytest.approx(math.log10(25)), 60: 2.0}),
        ("LOG(a)", {0: 0.0, 60: pytest.approx(math.log(4))}),
        ("SUM([a, b])", {0: 1.0, 60: 6.0, 120: 0.0, 180: 2.5}),
        ("AVG(METRICS())", {0: 1.0, 60: 3.0, 120: 0.0, 180: 1.25}),
        ('MAX(METRICS("a"))', {0: 1.0, 60: 4.0, 180: -2.5}),
        ("MIN([a, b])", {0: 1.0, 60: 2.0, 120: 0.0, 180: -2.5}),
        ("STDDEV([a, b])", {0: 0.0, 60: 1.0, 120: 0.0, 180: 3.75}),
        ("AVG(a)", pytest.approx(2.5 / 3)),
        ("a - MIN(a)", {0: 3.5, 60: 6.5, 180: 0.0}),
        ("DIFF(a)", {60: 3.0, 180: -6.5}),
        ("DIFF_TIME(a)", {60: 60.0, 180: 120.0}),
        ("RATE(a)", {60: 0.05, 180: pytest.approx(-6.5 / 120)}),
        ("RUNNING_SUM(a)", {0: 1.0, 60: 5.0, 180: 2.5}),
        ("FILL(a, 0)", {0: 1.0, 60: 4.0, 120: 0.0, 180: -2.5, 240: 0.0}),
        ("FILL(b, -1)", {0: -1.0, 60: 2.0, 120: 0.0, 180: 5.0, 240: -1.0}),
        ("FILL(b, REPEAT)", {60: 2.0, 120: 0.0, 180: 5.0, 240: 5.0}),
        ("FILL(a, LINEAR)", {0: 1.0, 60: 4.0, 120: 0.75, 180: -2.5}),
        ("FILL(a, b)", {0: 1.0, 60: 4.0, 120: 0.0, 180: -2.5}),
        ("FILL(METRICS(), 7)", [{0: 1.0, 60: 4.0, 120: 7.0, 180: -2.5, 240: 7.0}, {0: 7.0, **B, 240: 7.0}]),
        ("IF(a > 1, a, 0)", {0: 0.0, 60: 4.0, 180: 0.0}),
        ("IF(a > 1, b, a)", {0: 1.0, 60: 2.0, 180: -2.5}),
        ("IF(1, a, b)", A),
        ("PERIOD(a)", 60.0),
        ("a / PERIOD(a)", {0: 1 / 60, 60: 4 / 60, 180: -2.5 / 60}),
        ("METRIC_COUNT(METRICS())", 2.0),
        ("DATAPOINT_COUNT(a)", 3.0),
        ("DATAPOINT_COUNT([a, b])", {0: 1.0, 60: 2.0, 120: 1.0, 180: 2.0}),
        ("SORT([a, b], SUM, DESC)", [B, A]),
        ("FIRST(SORT([a, b], MAX, ASC))", A),
        ("LAST([a, b])", B),
        ("SLICE(SORT([a, b], AVG, DESC, 2), 0, 1)", [B]),
        ("REMOVE_EMPTY([a, a * (0 / 0)])", [A]),
        ("TIME_SERIES(5)", dict.fromkeys(range(0, 300, 60), 5.0)),
        ("MINUTE(a)", {0: 0.0, 60: 1.0, 180: 3.0}),
        ("YEAR(a) + MONTH(a) + DATE(a) + DAY(a) + HOUR(a)", {0: 1976.0, 60: 1976.0, 180: 1976.0}),
        ("EPOCH(b)", {60: 60.0, 120: 120.0, 180: 180.0}),
        ("SEARCH('a', 'Sum', 60)", [A]),
        ("METRICS() * 0 + 1", [dict.fromkeys(A, 1.0), dict.fromkeys(B, 1.0)]),
    ],
)
def test_values(text, expected):
    assert computed(text, a=A, b=B) == expected


@settings(max_examples=80, deadline=None)
@given(a=points, b=points, sign=st.sampled_from("+-*"))
def test_arithmetic_is_point_by_point(a, b, sign):
    does = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign]
    assert computed(f"a {sign} b", a=a, b=b) == {at: does(a[at], b[at]) for at in a.keys() & b.keys()}
    assert computed(f"FILL(a, 0) {sign} FILL(b, 0)", a=a, b=b) == {
        at: does(a.get(at, 0.0), b.get(at, 0.0)) for at in range(0, 300, PERIOD)
    }


@settings(max_examples=60, deadline=None)
@given(a=points)
def test_differences_add_up(a):
    at = sorted(a)
    changes = computed("RUNNING_SUM(DIFF(a))", a=a)
    assert changes == {moment: a[moment] - a[at[0]] for moment in at[1:]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("c", "no c"),
        ("METRICS() + METRICS()", "two arrays"),
        ("NOTHING(a)", "no function NOTHING"),
        ("ANOMALY_DETECTION_BAND(a)", "ANOMALY_DETECTION_BAND is not supported by Wildsage"),
        ("FILL(a)", "FILL takes 2 arguments, not 1"),
        ("SLICE(a)", "2 or 3"),
        ("[1]", "number 1"),
        ("'a'", "'a'"),
        ("IF([a], 1, 2)", "not arrays"),
        ("RATE(5)", "single time series"),
        ("TIME_SERIES(a)", "number is expected"),
        ("SORT(a, MEDIAN, ASC)", "SORT is written"),
        ("SEARCH(a, 'Sum', 60)", "SEARCH is written"),
        ("METRICS(a)", "double quotes"),
    ],
)
def test_what_has_no_value_says_why(text, said):
    with pytest.raises(ExpressionError, match=said):
        computed(text, a=A)


def test_a_long_row_is_no_deep_one():
    assert computed("+".join(["1"] * 1000)) == 1000


def test_filling_too_much_is_refused():
    one = TimeSeries("a", 1, {0: 1.0})
    around = Surroundings(lambda _: one, {}, lambda *_: (), start=0, end=10**8, phase=0, period=1)
    with pytest.raises(ExpressionError, match="too many"):
        evaluate(parse("FILL(a, 0)"), around)
