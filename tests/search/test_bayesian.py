import math
from dataclasses import replace

import numpy as np
import pytest
from tests.search.support import BRANIN_LEAST, MIXED, PLANE, best, branin, finished, search

from wildsage.search.bayesian import BayesianSearch
from wildsage.search.ranges import ContinuousRange, IntegerRange
from wildsage.search.space import Space
from wildsage.search.trial import Status, Trial


def mixed(values):
    penalty = {"gbtree": 0.0, "dart": 0.1, "gblinear": 1.0}[values["booster"]]
    return (
        (math.log10(float(values["eta"])) + 1) ** 2
        + abs(int(values["depth"]) - 6) / 5
        + penalty
        + abs(math.log10(int(values["rounds"])) - 2)
    )


def test_branin_is_solved_in_30_trials():
    searches = [BayesianSearch(PLANE, seed, "Minimize") for seed in range(3)]
    found = [best(search(one, branin, 30, enough=BRANIN_LEAST + 0.02)) - BRANIN_LEAST for one in searches]
    assert np.median(found) < 0.02
    assert max(found) < 0.3


def test_numbers_and_choices_together():
    """Below 0.3 is no point with gblinear, and few others are: one of 450 random ones."""
    assert best(search(BayesianSearch(MIXED, 3, "Minimize"), mixed, 30, enough=0.3)) < 0.3


def test_maximize_is_minimize_of_the_opposite():
    ups = search(BayesianSearch(PLANE, 1, "Maximize"), lambda values: -branin(values), 12)
    downs = search(BayesianSearch(PLANE, 1, "Minimize"), branin, 12)
    assert [trial.values for trial in ups] == [trial.values for trial in downs]


def test_equal_history_and_seed_give_equal_points():
    trials = search(BayesianSearch(MIXED, 5, "Minimize"), mixed, 10)
    running = [*trials[:9], Trial(trials[9].values)]
    for history in ([], trials, running):
        once = BayesianSearch(MIXED, 5, "Minimize").suggest(history, 2)
        assert once == BayesianSearch(MIXED, 5, "Minimize").suggest(history, 2)
        assert once != BayesianSearch(MIXED, 6, "Minimize").suggest(history, 2)


@pytest.mark.parametrize(("finished_ones", "running"), [(9, 0), (3, 2)])
def test_points_one_by_one_are_those_of_one_call(finished_ones, running):
    trials = search(BayesianSearch(PLANE, 2, "Minimize"), branin, finished_ones)
    strategy = BayesianSearch(PLANE, 2, "Minimize")
    trials += [Trial(values) for values in strategy.suggest(trials, running)]
    together = strategy.suggest(trials, 3)
    for values in together:
        assert strategy.suggest(trials) == [values]
        trials.append(Trial(values))


def test_points_in_parallel_are_apart():
    trials = search(BayesianSearch(PLANE, 4, "Minimize"), branin, 15)
    places = np.array(
        [PLANE.places(values) for values in BayesianSearch(PLANE, 4, "Minimize").suggest(trials, 6)]
    )
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(6, 1)]
    assert distances.min() > 0.02


def test_more_in_parallel_than_the_design_has_are_spread():
    first = BayesianSearch(PLANE, 0, "Minimize").suggest([], 16)
    assert len({PLANE.key(values) for values in first}) == 16


def test_failed_trials_are_kept_away_from():
    """Everything with x0 > 2.5 fails; the best that is left is near (-π, 12.275)."""

    def run(values):
        failed = float(values["x0"]) > 2.5
        return Trial(values, Status.FAILED) if failed else finished(values, branin(values))

    found, failures = [], []
    for seed in range(3):
        trials = []
        for _ in range(24):
            (values,) = BayesianSearch(PLANE, seed, "Minimize").suggest(trials)
            trials.append(run(values))
        found.append(best(trials))
        failures.append(sum(trial.failed for trial in trials[12:]))
    assert np.median(found) < 0.5
    assert np.median(failures) <= 4


@pytest.mark.parametrize("objective", [math.nan, math.inf, None])
def test_a_value_that_is_none_is_a_failure(objective):
    trials = search(BayesianSearch(PLANE, 1, "Minimize"), branin, 8)
    trials[3] = replace(trials[3], objective=objective)
    assert trials[3].failed
    assert len(BayesianSearch(PLANE, 1, "Minimize").suggest(trials)) == 1


def test_all_failed():
    trials = [Trial(values, Status.FAILED) for values in BayesianSearch(PLANE, 1, "Minimize").suggest([], 12)]
    (values,) = BayesianSearch(PLANE, 1, "Minimize").suggest(trials)
    assert values not in [trial.values for trial in trials]


def test_all_the_same():
    trials = search(BayesianSearch(PLANE, 1, "Minimize"), lambda _: 1.0, 10)
    assert len({PLANE.key(trial.values) for trial in trials}) == 10


def test_a_range_of_one_value():
    space = Space((ContinuousRange("x", 0, 1, "Linear"), ContinuousRange("y", 2, 2), IntegerRange("n", 3, 3)))
    trials = search(BayesianSearch(space, 0, "Minimize"), lambda values: (float(values["x"]) - 0.3) ** 2, 14)
    assert {(trial.values["y"], trial.values["n"]) for trial in trials} == {("2.0", "3")}
    assert best(trials) < 1e-3


def random_trials(objective, count, space=PLANE):
    drawn = np.random.default_rng(9).random((count, len(space)))
    return tuple(finished(space.values(place), objective(space.values(place))) for place in drawn)


def test_identical_parents_are_observations():
    parent = random_trials(branin, 25)
    trials = search(BayesianSearch(PLANE, 0, "Minimize", identical=parent), branin, 8)
    assert best(trials) < min(best(parent), 0.6)


def test_a_parent_with_another_offset_and_scale_is_learned_from():
    """Six trials after a parent that is ten times as large and moved do what takes twice as many alone."""
    parent = random_trials(lambda values: 10 * branin(values) + 500, 40)
    warm, cold = [], []
    for seed in range(3):
        strategy = BayesianSearch(PLANE, seed, "Minimize")
        cold.append(best(search(strategy, branin, 8)))
        warm.append(best(search(replace(strategy, transfer=(parent,)), branin, 8)))
    assert np.median(warm) < 0.6 < np.median(cold)


def test_a_misleading_parent_does_not_stop_the_search():
    parent = random_trials(lambda values: -branin(values), 25)
    strategy = BayesianSearch(PLANE, 0, "Minimize", transfer=(parent,))
    assert best(search(strategy, branin, 30, enough=0.6)) < 0.6


def test_parents_with_other_ranges_give_what_they_can():
    narrow = Space((ContinuousRange("x0", -5, 0, "Linear"), ContinuousRange("x1", 0, 15, "Linear")))
    parent = (*random_trials(branin, 20), finished({"x0": "1.0"}, 0.0), finished({"x0": "a", "x1": "1"}, 0.0))
    trials = search(BayesianSearch(narrow, 0, "Minimize", identical=parent), branin, 10)
    assert all(-5 <= float(trial.values["x0"]) <= 0 for trial in trials)
    assert best(trials) < 1.0
