import pytest
from tests.search.support import finished

from wildsage.search.improvement import trials_without_improvement
from wildsage.search.trial import Status, Trial


def of(objectives):
    return [finished({}, one) for one in objectives]


@pytest.mark.parametrize(
    ("objectives", "goal", "count"),
    [
        ([], "Minimize", 0),
        ([5.0], "Minimize", 0),
        ([5.0, 4.0, 3.0], "Minimize", 0),
        ([5.0, 4.0, 3.0], "Maximize", 2),
        ([1.0, 0.995, 0.999, 1.2], "Minimize", 3),
        ([1.0, 0.995, 0.985], "Minimize", 0),
        ([-1.0, -1.005, -1.02, -1.0], "Minimize", 1),
        ([0.9, 0.905, 0.95, 0.955], "Maximize", 1),
    ],
)
def test_what_counts_is_one_percent(objectives, goal, count):
    assert trials_without_improvement(of(objectives), goal) == count


def test_trials_without_an_objective_do_not_count():
    trials = [*of([1.0, 1.0]), Trial({}, Status.FAILED), Trial({}), finished({}, float("nan"))]
    assert trials_without_improvement(trials, "Minimize") == 1
