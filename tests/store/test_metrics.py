"""Metrics: series, moments, and what is kept of many values."""

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.store.distributions import MOST_DISTINCT, Distribution, merge, pack, unpack
from wildsage.store.metrics import Metric, MetricFilter, MetricStore, Sample, dimensions_of

LATENCY = Metric("1", "r", "App", "Latency", (("Host", "a"),))
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@pytest.fixture
def metrics(telemetry):
    return MetricStore(telemetry)


def put(metrics, *samples, at=1000.0):
    asyncio.run(metrics.put(samples, at))


def sample(at, *numbers, metric=LATENCY, **rest):
    return Sample(metric, at, Distribution.of(numbers), **rest)


def points(metrics, metric=LATENCY, start=0, end=10**10):
    (series,) = metrics.series(metric)
    return metrics.points(series.id, start, end)


def close(one, other):
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(values, min_size=1, max_size=5))
def test_merging_distributions_is_the_distribution_of_all_values(parts):
    everything = [value for part in parts for value in part]
    merged = merge([Distribution.of(part) for part in parts])
    assert merged.count == len(everything)
    assert close(merged.total, math.fsum(everything))
    assert (merged.least, merged.greatest) == (min(everything), max(everything))
    assert sorted(merged.values) == sorted(set(everything))
    again = unpack(merged.count, merged.total, merged.least, merged.greatest, pack(merged))
    assert again.values == pytest.approx(merged.values)


def test_a_distribution_of_many_values_is_coarsened_and_keeps_its_numbers():
    numbers = [1.0 + number / 7 for number in range(50_000)]
    kept = Distribution.of(numbers)
    assert len(kept.values) <= MOST_DISTINCT
    assert (kept.count, kept.least, kept.greatest) == (50_000, numbers[0], numbers[-1])
    assert close(kept.total, math.fsum(numbers))
    middle = sorted(kept.values.items())
    below = 0.0
    for value, count in middle:
        below += count
        if below >= 25_000:
            assert abs(value / numbers[25_000] - 1) < 0.01
            break


def test_what_others_summed_up_has_no_values_unless_all_are_the_same():
    assert Distribution.summed_up(3, 6, 1, 3).values is None
    assert Distribution.summed_up(3, 6, 2, 2).values == {2: 3}
    assert merge([Distribution.of([1]), Distribution.summed_up(3, 6, 1, 3)]).values is None


def test_values_of_one_moment_are_one_point(metrics):
    put(metrics, sample(61, 1.0), sample(119.9, 3.0))
    put(metrics, sample(100, 2.0), sample(120, 9.0))
    first, second = points(metrics)
    assert (first.at, first.resolution, first.values) == (60, 60, Distribution.of([1.0, 3.0, 2.0]))
    assert (second.at, second.values.total) == (120, 9.0)
    assert [point.at for point in points(metrics, start=60, end=120)] == [60]


def test_seconds_are_kept_apart_from_minutes(metrics):
    put(metrics, sample(61.5, 1.0, resolution=1), sample(61.5, 5.0), sample(60, 7.0, resolution=1))
    assert [(point.at, point.resolution, point.values.total) for point in points(metrics)] == [
        (60, 1, 7.0),
        (60, 60, 5.0),
        (61, 1, 1.0),
    ]


def test_each_unit_is_a_series(metrics):
    put(metrics, sample(0, 1.0, unit="Seconds"), sample(0, 1.0, unit="Bytes"))
    assert [series.unit for series in metrics.series(LATENCY)] == ["Bytes", "Seconds"]
    assert [series.unit for series in metrics.series(LATENCY, "Bytes")] == ["Bytes"]
    assert metrics.metrics(MetricFilter("1", "r"), None, 10) == [LATENCY]


def test_metrics_are_listed_by_everything_that_names_them_and_in_pages(metrics):
    made = [
        Metric("1", "r", namespace, name, dimensions_of(pairs))
        for namespace in ("A", "B")
        for name in ("m", "n")
        for pairs in ([], [("x", "1")], [("y", "2"), ("x", "1")], [("x", "2")])
    ]
    put(metrics, *(sample(0, 1.0, metric=metric) for metric in made))
    put(metrics, sample(0, 1.0, metric=Metric("2", "r", "A", "m")))
    put(metrics, sample(0, 1.0, metric=Metric("1", "r", "A", "late")), at=2000.0)

    def listed(page=3, **wanted):
        found, after = [], None
        while part := metrics.metrics(MetricFilter("1", "r", **wanted), after, page):
            found += part
            after = part[-1]
        return found

    assert set(listed()) == {*made, Metric("1", "r", "A", "late")}
    assert len(listed()) == 17
    assert set(listed(namespace="A", name="m")) == {m for m in made if (m.namespace, m.name) == ("A", "m")}
    assert {m.dimensions for m in listed(dimensions=(("x", "1"),), name="n")} == {
        (("x", "1"),),
        (("x", "1"), ("y", "2")),
    }
    assert len(listed(dimensions=(("y", None),))) == 4
    assert listed(dimensions=(("x", "1"), ("y", "1"))) == []
    assert [metric.name for metric in listed(written_after=1500.0)] == ["late"]


def test_what_expires_goes_with_its_series(metrics):
    other = Metric("1", "r", "App", "Other")
    put(metrics, sample(0, 1.0), sample(600, 2.0), sample(0, 1.0, metric=other))
    while asyncio.run(metrics.expire(300)):
        pass
    assert [point.at for point in points(metrics)] == [600]
    assert metrics.metrics(MetricFilter("1", "r"), None, 10) == [LATENCY]


def test_a_query_reads_only_the_rows_of_its_series_and_time(metrics, telemetry):
    """However many points there are: SQLite finds the series and the time by index."""
    points = "SELECT * FROM metric_point WHERE series_id = ? AND at >= ? AND at < ? ORDER BY at, resolution"
    series = (
        "SELECT * FROM metric_series WHERE account = ? AND region = ? AND namespace = ? AND name = ?"
        " AND dimensions = ? ORDER BY unit"
    )
    sums = "SELECT (at - ?) / ?, SUM(count) FROM metric_point WHERE series_id = ? AND at >= ? AND at < ? GROUP BY 1"
    for sql, count in ((points, 3), (series, 5)):
        rows = telemetry.read(f"EXPLAIN QUERY PLAN {sql}", [0] * count)
        details = " ".join(row["detail"] for row in rows)
        assert details.startswith("SEARCH"), details
        assert "TEMP B-TREE" not in details
    plan = telemetry.read(f"EXPLAIN QUERY PLAN {sums}", [1] * 5)
    assert plan[0]["detail"].startswith("SEARCH metric_point USING PRIMARY KEY")


def test_a_million_values_of_an_hour_are_as_many_rows_as_minutes(metrics, telemetry):
    for minute in range(60):
        counted = Distribution.of([1.0, 2.0], [10_000.0, 6_667.0])
        put(metrics, Sample(LATENCY, minute * 60.0, counted))
    assert sum(point.values.count for point in points(metrics)) > 1_000_000
    assert telemetry.read_one("SELECT COUNT(*) AS n FROM metric_point")["n"] == 60
