import numpy as np
import pytest
from tests.search.support import PLANE, finished

from wildsage.search.observations import observe, running
from wildsage.search.trial import Status, Trial

TRIALS = [
    finished({"x0": "-5", "x1": "15"}, 3.0),
    Trial({"x0": "1", "x1": "2"}, Status.FAILED),
    Trial({"x0": "2.5", "x1": "7.5"}),
    finished({"x0": "2.5", "x1": "7.5"}, float("inf")),
    finished({"x0": "40", "x1": "0"}, 1.0),
    finished({"x0": "fast", "x1": "0"}, 1.0),
    finished({"x1": "0"}, 1.0),
]


def test_finished_trials_are_observed_and_others_are_not():
    found = observe(PLANE, "Minimize", TRIALS)
    assert found.places == pytest.approx(np.array([[0, 1], [3, 0]]))
    assert found.losses.tolist() == [3.0, 1.0]
    assert found.failed == pytest.approx(np.array([[0.4, 2 / 15], [0.5, 0.5]]))
    assert found.inside().tolist() == [True, False]


def test_more_is_less_where_it_is_wanted():
    assert observe(PLANE, "Maximize", TRIALS).losses.tolist() == [-3.0, -1.0]


def test_values_whose_squares_overflow_are_as_large_as_can_be():
    trials = [finished({"x0": "0", "x1": "1"}, objective) for objective in (-1e300, 2.0, 1e155)]
    assert observe(PLANE, "Minimize", trials).losses.tolist() == [-1e100, 2.0, 1e100]


def test_running_trials_have_places():
    assert running(PLANE, TRIALS) == pytest.approx(np.array([[0.5, 0.5]]))


def test_nothing_is_shaped_as_something():
    found = observe(PLANE, "Minimize", [])
    assert (found.places.shape, found.losses.shape, found.failed.shape) == ((0, 2), (0,), (0, 2))
    assert running(PLANE, []).shape == (0, 2)
