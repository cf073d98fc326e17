import doctest

import pytest

from wildsage.search import grid_search
from wildsage.search.errors import SearchError
from wildsage.search.grid_search import GridSearch
from wildsage.search.ranges import CategoricalRange, IntegerRange
from wildsage.search.space import Space
from wildsage.search.trial import Trial


def test_the_examples_hold():
    found = doctest.testmod(grid_search)
    assert found.attempted
    assert not found.failed


def test_a_grid_has_every_combination_once():
    strategy = GridSearch(Space((CategoricalRange("a", tuple("xyz")), CategoricalRange("b", ("1", "2")))))
    all_at_once = strategy.suggest([], 100)
    assert len(all_at_once) == len(strategy) == 6
    assert len({tuple(values.items()) for values in all_at_once}) == 6
    trials = [Trial(values) for values in all_at_once[:4]]
    assert strategy.suggest(trials, 1) == [all_at_once[4]]
    assert strategy.suggest([Trial(values) for values in all_at_once]) == []


def test_a_grid_of_numbers_is_refused():
    with pytest.raises(SearchError, match="n is none"):
        GridSearch(Space((IntegerRange("n", 1, 4), CategoricalRange("c", ("a", "b")))))
