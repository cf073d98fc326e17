"""Anomaly scores over a series: a day that is unlike the others is found in windows of a day, as AWS's guide does it."""

import numpy as np
import pytest

from wildsage.algorithms.randomcutforest import RandomCutForest
from wildsage.algorithms.randomcutforest.evaluation import flagged

DAY, DAYS, EVENT = 48, 70, 38
"""Half hours of a day, days of the series, and the day of the event."""


def series(seed):
    """Demand with a rhythm of days and weeks and 5 % of noise; on the day of the event it is halved."""
    half_hours = np.arange(DAY * DAYS)
    daily = 1 + 0.5 * np.sin(2 * np.pi * half_hours / DAY) + 0.2 * np.sin(4 * np.pi * half_hours / DAY)
    weekly = 1 - 0.2 * (half_hours // DAY % 7 >= 5)
    demand = 10_000 * daily * weekly * np.random.default_rng(seed).normal(1, 0.05, len(half_hours))
    demand[EVENT * DAY : (EVENT + 1) * DAY] /= 2
    return demand


@pytest.mark.parametrize("seed", range(3))
def test_an_event_in_a_seasonal_series_is_scored_above_mean_and_three_deviations(seed):
    windows = np.lib.stride_tricks.sliding_window_view(series(seed), DAY)
    scores = RandomCutForest(num_trees=50, num_samples_per_tree=200).fit(windows).predict(windows)["score"]
    marked = np.flatnonzero(flagged(scores))
    event = EVENT * DAY  # of all windows, this one holds the event and nothing else
    assert event in marked
    assert abs(scores.argmax() - event) < DAY // 2
    assert (np.abs(marked - event) < DAY).all(), "nothing is marked but windows that hold a part of the event"
