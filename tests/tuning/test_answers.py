"""Questions, and what the search answers."""

import asyncio
import subprocess
import sys

import pytest

from wildsage.search.trial import Status, Trial
from wildsage.services.sagemaker.tuning_definitions import TunedRange
from wildsage.tuning import answers
from wildsage.tuning.question import Question
from wildsage.tuning.searching import Searching

RANGES = (
    TunedRange("n", "Integer", "1", "8"),
    TunedRange("x", "Continuous", "0.001", "1", "Logarithmic"),
    TunedRange("c", "Categorical", values=("a", "b")),
)
CHOICES = (
    TunedRange("c", "Categorical", values=("a", "b")),
    TunedRange("d", "Categorical", values=("1", "2")),
)


def trial(n, objective=None, reports=()):
    status = Status.RUNNING if objective is None else Status.FINISHED
    return Trial({"n": str(n), "x": "0.1", "c": "a"}, status, objective, tuple(reports))


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_points_are_texts_within_the_ranges(strategy):
    question = Question(strategy, RANGES, "Minimize", 3, resources=(1, 9))
    points = answers.suggest(question, 5)
    assert len(points) == 5
    for point in points:
        assert 1 <= int(point["n"]) <= 8
        assert 0.001 <= float(point["x"]) <= 1
        assert point["c"] in ("a", "b")
    assert answers.suggest(question, 5) == points


def test_a_grid_ends():
    question = Question("Grid", CHOICES, "Minimize", 0, trials=tuple(trial(n) for n in range(3)))
    assert answers.suggest(question, 9) == [{"c": "b", "d": "2"}]


def test_what_parents_tried_changes_a_bayesian_point():
    tried = tuple(trial(n, float(n)) for n in range(1, 9))
    cold = Question("Bayesian", RANGES, "Minimize", 3)
    assert answers.suggest(cold, 1) != answers.suggest(
        Question("Bayesian", RANGES, "Minimize", 3, identical=tried), 1
    )
    assert answers.suggest(cold, 1) != answers.suggest(
        Question("Bayesian", RANGES, "Minimize", 3, transfer=(tried,)), 1
    )


def test_only_running_trials_are_stopped():
    good = [trial(n, 1.0, (3.0, 1.0)) for n in (1, 2, 3)]
    trials = (*good, trial(4, 9.0, (9.0, 9.0)), trial(5, reports=(9.0,)), trial(6, reports=(2.0,)), trial(7))
    assert answers.to_stop(Question("Random", RANGES, "Minimize", 0, trials)) == [4]
    assert answers.to_stop(Question("Random", RANGES, "Maximize", 0, trials)) == [5]


def test_hyperband_stops_at_its_most_resource():
    trials = (trial(1, reports=(1.0, 1.0)), trial(2, reports=(1.0, 1.0, 1.0)))
    assert answers.to_stop(Question("Hyperband", RANGES, "Minimize", 0, trials, resources=(1, 3))) == [1]


def test_equal_objectives_have_converged():
    points = answers.suggest(Question("Random", RANGES, "Minimize", 0), 30)
    trials = tuple(Trial(point, Status.FINISHED, 1.0) for point in points)
    assert answers.has_converged(Question("Random", RANGES, "Minimize", 0, trials))
    assert not answers.has_converged(Question("Random", RANGES, "Minimize", 0, trials[:5]))


def test_questions_are_answered_in_a_thread_of_their_own():
    async def ask():
        searching = Searching()
        question = Question("Grid", CHOICES, "Minimize", 0)
        found = await asyncio.gather(
            searching.suggest(lambda: question, 1), searching.to_stop(lambda: question)
        )
        searching.close()
        return found

    assert asyncio.run(ask()) == [[{"c": "a", "d": "1"}], []]


def test_nothing_dear_is_loaded_before_the_first_question():
    modules = "wildsage.tuning.tuner, wildsage.services.sagemaker.handlers"
    code = f"import sys, {modules}; sys.exit(bool({{'numpy', 'scipy'}} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)
