"""Statistics, held against a brute-force reading of their definitions."""

import math
import statistics as plain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.store.distributions import Distribution
from wildsage.telemetry.statistics import UnknownStatisticError, statistic

numbers = st.lists(st.integers(0, 50).map(float), min_size=1, max_size=40)


def compute(name, values):
    return statistic(name).compute(Distribution.of(values))


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_the_plain_ones(values):
    assert compute("SampleCount", values) == len(values)
    assert compute("Sum", values) == sum(values)
    assert math.isclose(compute("Average", values), plain.fmean(values), abs_tol=1e-9)
    assert compute("Minimum", values) == compute("p0", values) == min(values)
    assert compute("Maximum", values) == compute("p100", values) == max(values)


@settings(max_examples=80, deadline=None)
@given(numbers, st.integers(1, 99))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, percent):
    found = compute(f"p{percent}", values)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


@settings(max_examples=60, deadline=None)
@given(numbers, st.integers(0, 100))
def test_trimming_by_percent_takes_the_lowest_values(values, percent):
    """Each value is split into a hundred parts: then the share of parts is whole."""
    parts = sorted(value for value in values for _ in range(100))[: percent * len(values)]
    assert math.isclose(compute(f"tc{percent}", values), len(parts) / 100, abs_tol=1e-6)
    assert math.isclose(compute(f"ts{percent}", values), sum(parts) / 100, abs_tol=1e-6)
    if parts:
        assert math.isclose(compute(f"tm{percent}", values), plain.fmean(parts), rel_tol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p50", 5),
        ("p99.9", 10),
        ("tm90", 5),
        ("TM(10%:90%)", 5.5),
        ("TM(2:4)", 3.5),
        ("TC(2:4)", 2),
        ("TS(:4)", 10),
        ("TS(80%:)", 19),
        ("WM(10%:90%)", 5.5),
        ("WM(3:8)", 5.5),
        ("PR(:5)", 50),
        ("PR(5:)", 50),
        ("IQM", 5.5),
        ("wm90", 5.4),
    ],
)
def test_extended_ones(name, expected):
    assert compute(name, [float(number) for number in range(1, 11)]) == pytest.approx(expected)


def test_values_that_are_not_known_have_no_percentiles():
    p50 = statistic("p50")
    assert p50.needs_values
    assert p50.compute(Distribution.summed_up(10, 30, 1, 9)) is None
    assert p50.compute(Distribution.summed_up(10, 30, 3, 3)) == 3
    assert p50.compute(Distribution.of([-1.0, 2.0])) is None
    assert statistic("Average").compute(Distribution.summed_up(10, 30, 1, 9)) == 3


@pytest.mark.parametrize(
    "name", ["", "average", "p", "p101", "p-1", "TM(:)", "TM(5%:9)", "PR(5%:)", "TM(90%:10%)", "sum"]
)
def test_there_are_no_others(name):
    with pytest.raises(UnknownStatisticError):
        statistic(name)
