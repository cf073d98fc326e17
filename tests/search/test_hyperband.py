from collections import Counter
from dataclasses import replace

import pytest
from tests.search.support import MIXED, PLANE, finished

from wildsage.search.errors import SearchError
from wildsage.search.hyperband import Hyperband
from wildsage.search.random_search import RandomSearch
from wildsage.search.trial import Status, Trial

BAND = Hyperband(MIXED, 1, "Minimize", most=27, least=1)
LEVEL = 7


def run(strategy: Hyperband, count: int) -> list[Trial]:
    """Serial: the curve of the n-th trial falls to n % LEVEL; stopped ones keep what they reported."""
    trials: list[Trial] = []
    for number in range(count):
        trials.append(Trial(strategy.suggest(trials)[0]))
        while not strategy.should_stop(trials, number):
            reports = trials[number].reports
            value = number * 5 % LEVEL + 10 / (len(reports) + 1)
            trials[number] = replace(trials[number], reports=(*reports, value))
        trials[number] = finished(trials[number].values, trials[number].reports[-1], trials[number].reports)
    return trials


def test_rungs_grow_by_the_reduction():
    assert BAND.rungs == [1, 3, 9]
    assert replace(BAND, least=2, most=20).rungs == [2, 6, 18]
    assert replace(BAND, least=5, most=5).rungs == []


def test_brackets_come_in_hyperbands_proportions():
    drawn = Counter(BAND.bracket(number) for number in range(4000))
    # 27/4 : 9/3 : 3/2 : 1/1
    whole = 27 / 4 + 9 / 3 + 3 / 2 + 1
    expected = [4000 * share / whole for share in (27 / 4, 3, 1.5, 1)]
    assert [drawn[bracket] for bracket in range(4)] == pytest.approx(expected, rel=0.1)


def test_points_are_those_of_random_search():
    assert BAND.suggest([], 4) == RandomSearch(MIXED, 1).suggest([], 4)


def test_most_trials_are_short_and_the_best_are_whole():
    trials = run(BAND, 60)
    used = [len(trial.reports) for trial in trials]
    assert max(used) == 27
    assert sum(used) < 60 * 27 / 3
    judged = [number for number in range(10, 60) if BAND.bracket(number) == 0]
    whole = [number * 5 % LEVEL for number in judged if used[number] == 27]
    assert 0 in whole
    assert max(whole) <= 2


def test_none_is_stopped_before_the_least_resource():
    assert min(len(trial.reports) for trial in run(replace(BAND, least=4), 40)) == 4


def test_each_runs_to_its_first_rung_at_least():
    for number, trial in enumerate(run(BAND, 40)):
        first = [*BAND.rungs, 27][BAND.bracket(number)]
        assert len(trial.reports) >= first


def test_budgets_are_the_next_rung():
    number = next(number for number in range(100) if BAND.bracket(number) == 1)
    trials = [Trial({})] * (number + 1)
    budgets = []
    for reports in (0, 2, 3, 8, 9, 26):
        trials[number] = Trial({}, reports=(1.0,) * reports)
        budgets.append(BAND.budget(trials, number))
    assert budgets == [3, 3, 9, 9, 27, 27]


def test_a_trial_that_others_overtook_is_stopped_between_rungs():
    zero = [number for number in range(100) if BAND.bracket(number) == 0][:4]
    trials = [Trial({})] * (max(zero) + 1)
    trials[zero[0]] = Trial({}, reports=(5.0, 5.0))
    assert not BAND.should_stop(trials, zero[0])
    for number in zero[1:]:
        trials[number] = Trial({}, Status.FINISHED, 1.0, (1.0,))
    assert BAND.should_stop(trials, zero[0])


def test_the_goal_decides_what_is_best():
    zero = [number for number in range(100) if BAND.bracket(number) == 0][:3]
    trials = [Trial({})] * (max(zero) + 1)
    for number, value in zip(zero, (0.1, 0.5, 0.9), strict=True):
        trials[number] = Trial({}, reports=(value,))
    assert [BAND.should_stop(trials, number) for number in zero] == [False, True, True]
    other = replace(BAND, goal="Maximize")
    assert [other.should_stop(trials, number) for number in zero] == [True, True, False]


@pytest.mark.parametrize(("least", "most"), [(0, 5), (6, 5)])
def test_resources_out_of_order_are_refused(least, most):
    with pytest.raises(SearchError, match="1 <= MinResource <= MaxResource"):
        Hyperband(PLANE, 0, "Minimize", most=most, least=least)
