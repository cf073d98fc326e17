import doctest

import numpy as np
import pytest
from tests.search.support import MIXED

from wildsage.search import random_search
from wildsage.search.random_search import RandomSearch
from wildsage.search.ranges import CategoricalRange, IntegerRange
from wildsage.search.space import Space
from wildsage.search.trial import Trial

SMALL = Space((IntegerRange("n", 1, 4), CategoricalRange("c", ("a", "b", "c"))))


def test_the_examples_hold():
    found = doctest.testmod(random_search)
    assert found.attempted
    assert not found.failed


def test_points_depend_on_the_seed_and_the_number():
    strategy = RandomSearch(MIXED, 4)
    together = strategy.suggest([], 5)
    trials = []
    for values in together:
        assert strategy.suggest(trials) == [values]
        trials.append(Trial(values))
    assert RandomSearch(MIXED, 5).suggest([], 5) != together


def test_points_are_even_on_their_scales():
    drawn = RandomSearch(MIXED, 0).suggest([], 600)
    eta = np.log10([float(values["eta"]) for values in drawn])
    assert np.histogram(eta, 4, (-4, 0))[0] == pytest.approx(150, abs=40)
    depth = [int(values["depth"]) for values in drawn]
    assert np.bincount(depth)[1:] == pytest.approx(60, abs=30)


def test_no_point_comes_twice_before_all_were_tried():
    drawn = RandomSearch(SMALL, 0).suggest([], 15)
    assert len({SMALL.key(values) for values in drawn[:12]}) == 12
    assert len(drawn) == 15
