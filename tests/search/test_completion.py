from tests.search.support import PLANE, branin, search

from wildsage.search import completion, surrogate
from wildsage.search.bayesian import BayesianSearch
from wildsage.search.completion import converged
from wildsage.search.random_search import RandomSearch


def test_a_search_converges_after_it_found_the_best_and_not_before():
    trials = search(BayesianSearch(PLANE, 1, "Minimize"), branin, 40)
    counts = [
        count
        for count in (10, 13, 16, 22, 28, 34, 40)
        if converged(PLANE, "Minimize", trials[:count], seed=0)
    ]
    assert counts[-2:] == [34, 40]
    assert counts[0] > completion.fewest(PLANE)
    assert min(trial.objective for trial in trials[: counts[0]]) < 0.397887 * 1.02


def test_what_remains_to_be_gained_is_seen():
    trials = search(RandomSearch(PLANE, 3), branin, 20)
    believed = surrogate.learn(PLANE, "Minimize", trials)
    best = min(trial.objective for trial in trials)
    possible = (best - 0.397887) / best
    assert completion.expected_gain(believed, 0) > 0.3 * possible


def test_equal_values_have_converged():
    trials = search(RandomSearch(PLANE, 3), lambda _: 2.0, 20)
    assert converged(PLANE, "Minimize", trials, seed=0)
