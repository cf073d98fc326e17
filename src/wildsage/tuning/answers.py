"""What the search library answers to a question. Loads numpy, and for Bayesian search scipy: import it in a thread."""

from collections.abc import Sequence
from importlib import import_module

from wildsage.search.early_stopping import should_stop
from wildsage.search.grid_search import GridSearch
from wildsage.search.hyperband import Hyperband
from wildsage.search.random_search import RandomSearch
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range
from wildsage.search.space import Space
from wildsage.search.trial import Status, Strategy, Trial
from wildsage.services.sagemaker.tuning_definitions import TunedRange
from wildsage.tuning.question import Question


def suggest(question: Question, count: int) -> list[dict[str, str]]:
    """Return the next points; fewer where there is nothing left to try."""
    return _strategy(question).suggest(question.trials, count)


def to_stop(question: Question) -> list[int]:
    """Return the indices of running trials that are not worth going on, in ascending order."""
    running = [index for index, one in enumerate(question.trials) if one.status is Status.RUNNING]
    if question.strategy == "Hyperband":
        band = _hyperband(question)
        return [index for index in running if band.should_stop(question.trials, index)]
    trials = question.trials
    return [index for index in running if should_stop(trials[index], _others(trials, index), question.goal)]


def has_converged(question: Question) -> bool:
    """Whether less than 1 % is expected to be gained."""
    completion = import_module("wildsage.search.completion")  # needs scipy
    space = space_of(question.ranges)
    found: bool = completion.converged(
        space, question.goal, question.trials, question.seed, question.identical
    )
    return found


def space_of(ranges: Sequence[TunedRange]) -> Space:
    """Return what is searched."""
    return Space(tuple(_range(one) for one in ranges))


def _strategy(question: Question) -> Strategy:
    space = space_of(question.ranges)
    if question.strategy == "Random":
        return RandomSearch(space, question.seed)
    if question.strategy == "Grid":
        return GridSearch(space)
    if question.strategy == "Hyperband":
        return _hyperband(question)
    bayesian = import_module("wildsage.search.bayesian")  # needs scipy
    made: Strategy = bayesian.BayesianSearch(
        space, question.seed, question.goal, question.identical, question.transfer
    )
    return made


def _hyperband(question: Question) -> Hyperband:
    least, most = question.resources
    return Hyperband(space_of(question.ranges), question.seed, question.goal, most=most, least=least)


def _others(trials: Sequence[Trial], index: int) -> list[Trial]:
    return [*trials[:index], *trials[index + 1 :]]


def _range(one: TunedRange) -> Range:
    if one.kind == "Categorical":
        return CategoricalRange(one.name, one.values)
    if one.kind == "Integer":
        return IntegerRange(one.name, int(one.low), int(one.high), one.scale)
    return ContinuousRange(one.name, float(one.low), float(one.high), one.scale)
