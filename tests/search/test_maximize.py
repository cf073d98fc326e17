import numpy as np
import pytest
from tests.search.support import MIXED

from wildsage.search.maximize import Maximizer
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange
from wildsage.search.space import Space


class Hill:
    """Falls with the squared distance to a place."""

    def __init__(self, space, top):
        self.top = space.columns(np.array([top]))[0]

    def __call__(self, points):
        return -((points - self.top) ** 2).sum(axis=1)

    def gradient(self, point):
        return float(self(point[np.newaxis])[0]), -2 * (point - self.top)


def best(space, top, seed=0):
    return Maximizer(space, Hill(space, top), np.empty((0, len(space))), np.random.default_rng(seed)).ranked()


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_top(seed):
    top = np.random.default_rng(seed).random(4)
    assert best(MIXED, top, seed)[0] == pytest.approx(MIXED.snapped(top[np.newaxis])[0], abs=2e-3)


def test_numbers_are_found_exactly():
    space = Space(tuple(ContinuousRange(f"x{i}", 0, 1, "Linear") for i in range(8)))
    top = np.linspace(0.1, 0.9, 8)
    assert best(space, top)[0] == pytest.approx(top, abs=1e-5)


def test_a_top_outside_is_met_at_the_border():
    space = Space((ContinuousRange("x", 0, 1, "Linear"), IntegerRange("n", 1, 1000, "Linear")))
    assert space.values(best(space, [1.3, -0.2])[0]) == {"x": "1.0", "n": "1"}


def test_choices_alone_are_found():
    space = Space(tuple(CategoricalRange(f"c{i}", tuple("abcdefghij")) for i in range(8)))
    top = space.places({f"c{i}": "abcdefghij"[i] for i in range(8)})
    assert best(space, top)[0] == pytest.approx(top)


def test_the_values_fall():
    ranked = best(MIXED, [0.2, 0.3, 0.5, 0.6])
    values = Hill(MIXED, [0.2, 0.3, 0.5, 0.6])(MIXED.columns(ranked))
    assert (np.diff(values) <= 1e-12).all()
    assert len(ranked) > 50
