"""From stored points to data points."""

import asyncio
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wildsage.store.distributions import Distribution
from wildsage.store.metrics import Metric, MetricStore, Sample
from wildsage.telemetry.periods import rounded_start, values_by_period
from wildsage.telemetry.statistics import statistic

DAY = 86_400
numbers = itertools.count()
samples = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9), st.sampled_from([1, 60])), max_size=20)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=samples, start=st.integers(0, 5).map(lambda n: 60 * n), period=st.sampled_from([10, 60, 180]))
def test_periods_hold_what_lies_in_them(telemetry, samples, start, period):
    metrics, end = MetricStore(telemetry), 780
    metric = Metric("1", "r", "N", f"m{next(numbers)}")
    kept = [Sample(metric, at, Distribution.of([float(v)]), resolution=r) for at, v, r in samples]
    asyncio.run(metrics.put(kept, 0.0))
    groups = {}
    for at, value, resolution in samples:
        moment = at // resolution * resolution
        if start <= moment < end and resolution <= period:
            groups.setdefault(start + (moment - start) // period * period, []).append(float(value))
    expected = {
        "Sum": {at: sum(values) for at, values in groups.items()},
        "Maximum": {at: max(values) for at, values in groups.items()},
        "p50": {at: sorted(values)[(len(values) - 1) // 2] for at, values in groups.items()},
    }
    for name, wanted in expected.items():
        found = values_by_period(metrics, metric, statistic(name), span=(start, end), period=period)
        assert found == wanted
        assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("age", "period", "step"),
    [(0, 60, 60), (0, 10, 10), (0, 3600, 60), (16 * DAY, 60, 300), (64 * DAY, 60, 3600)],
)
def test_a_start_is_rounded_down_the_coarser_the_older_it_is(age, period, step):
    now = 100 * DAY
    start = now - age - 17
    assert rounded_start(start, now, period) == start // step * step
