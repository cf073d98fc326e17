"""What holds for every strategy, over spaces and histories of all kinds."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.support import finished, search
from tests.search.test_ranges import CHOICES, continuous, integers

from wildsage.search.bayesian import BayesianSearch
from wildsage.search.hyperband import Hyperband
from wildsage.search.random_search import RandomSearch
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range
from wildsage.search.space import Space
from wildsage.search.trial import Status, Strategy, Trial

STRATEGIES: dict[str, Callable[[Space, int], Strategy]] = {
    "Bayesian": lambda space, seed: BayesianSearch(space, seed, "Minimize"),
    "Random": RandomSearch,
    "Hyperband": lambda space, seed: Hyperband(space, seed, "Minimize", most=9),
}
NAMES = [f"p{number}" for number in range(5)]
OBJECTIVES = st.one_of(st.floats(-1e3, 1e3), st.floats(allow_nan=True, allow_infinity=True), st.none())


@st.composite
def spaces(draw):
    kinds = draw(st.lists(st.sampled_from(["number", "whole", "choice"]), min_size=1, max_size=len(NAMES)))
    make = {"number": continuous, "whole": integers, "choice": lambda: CHOICES}
    return Space(tuple(_named(draw(make[kind]()), name) for kind, name in zip(kinds, NAMES, strict=False)))


def _named(one: Range, name: str) -> Range:
    if isinstance(one, CategoricalRange):
        return CategoricalRange(name, one.choices)
    return type(one)(name, one.low, one.high, one.scale)


@st.composite
def histories(draw, space):
    """Trials at any points and of any end."""
    count = draw(st.integers(0, 14))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    found = []
    for _ in range(count):
        values = space.values(rng.random(len(space)))
        status = draw(st.sampled_from(list(Status)))
        found.append(Trial(values, status, draw(OBJECTIVES) if status is Status.FINISHED else None))
    return found


def is_inside(one: Range, text: str) -> bool:
    if isinstance(one, CategoricalRange):
        return text in one.choices
    if isinstance(one, IntegerRange):
        return text == str(int(text)) and one.low <= int(text) <= one.high
    return one.low <= float(text) <= one.high and repr(float(text)) == text


@pytest.mark.parametrize("name", STRATEGIES)
@settings(deadline=None, max_examples=15)
@given(st.data(), spaces(), st.integers(0, 1 << 31), st.integers(1, 3))
def test_points_are_of_the_space_new_and_repeatable(name, data, space, seed, count):
    trials = data.draw(histories(space))
    found = STRATEGIES[name](space, seed).suggest(trials, count)
    assert len(found) == count
    for values in found:
        assert list(values) == [one.name for one in space.ranges]
        assert all(is_inside(one, values[one.name]) for one in space.ranges)
    assert found == STRATEGIES[name](space, seed).suggest(trials, count)
    taken = {space.key(trial.values) for trial in trials}
    new = {space.key(values) for values in found} - taken
    assert len(new) == (count if space.count is None else min(count, space.count - len(taken)))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_small_space_is_tried_whole_before_anything_again(name):
    space = Space(
        (IntegerRange("n", 1, 3), CategoricalRange("c", ("a", "b", "c")), ContinuousRange("x", 2, 2))
    )
    trials = search(STRATEGIES[name](space, 0), lambda values: float(values["n"]), 10)
    assert len({space.key(trial.values) for trial in trials[:9]}) == 9
    assert is_inside(space.ranges[0], trials[9].values["n"])


def test_many_ranges_and_trials():
    """Thirty ranges of all kinds, ten trials that run, more that ended than the kernel is fitted to."""
    kinds = (
        IntegerRange("", 1, 100),
        ContinuousRange("", 1e-6, 1, "Logarithmic"),
        CategoricalRange("", ("a", "b")),
    )
    space = Space(tuple(_named(kinds[number % 3], f"p{number}") for number in range(30)))
    places = np.random.default_rng(0).random((500, len(space)))
    trials = [finished(space.values(place), float(place.sum())) for place in places]
    trials += [Trial(values) for values in RandomSearch(space, 1).suggest(trials, 10)]
    (values,) = BayesianSearch(space, 0, "Minimize").suggest(trials)
    assert space.places(values).sum() < places.sum(axis=1).min()
