"""Wildsage's searches over the problems, one evaluation after the other or several at once."""

import time
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.tuning.problems import Objective
from wildsage.search.bayesian import BayesianSearch
from wildsage.search.grid_search import GridSearch
from wildsage.search.random_search import RandomSearch
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range
from wildsage.search.space import Space
from wildsage.search.trial import Status, Strategy, Trial

GRIDDED = 3
"""Ranges that a grid has several values of."""


def strategy(name: str, space: Space, seed: int) -> Strategy:
    """Return a search, by the name that a tuning job calls it."""
    if name == "Random":
        return RandomSearch(space, seed)
    if name == "Grid":
        return GridSearch(gridded(space, seed))
    return BayesianSearch(space, seed, "Minimize")


def gridded(space: Space, seed: int) -> Space:
    """Three values of each of the first ranges, in a random order, and the middle of the others."""
    rng = np.random.default_rng(seed)
    places = [rng.permutation(3) / 3 + 1 / 6 if i < GRIDDED else np.array([0.5]) for i in range(len(space))]
    return Space(
        tuple(
            CategoricalRange(one.name, tuple(one.text(float(place)) for place in some))
            for one, some in zip(space.ranges, places, strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A search to be carried out, in a process of its own."""

    objective: Objective
    name: str
    seed: int
    parallel: int = 1

    def __call__(self) -> list[float]:
        """The values in the order in which the evaluations end; the one that began first ends first.

        They are fewer than the objective's trials where a grid has no more points.
        """
        chosen = strategy(self.name, self.objective.space, self.seed)
        trials: list[Trial] = []
        for ended in range(self.objective.trials):
            free = min(ended + self.parallel, self.objective.trials) - len(trials)
            trials += [Trial(values) for values in chosen.suggest(trials, free)]
            if ended == len(trials):
                break
            trials[ended] = finished(trials[ended], self.objective.value(trials[ended].values))
        return [trial.objective for trial in trials if trial.objective is not None]


def finished(trial: Trial, objective: float) -> Trial:
    return replace(trial, status=Status.FINISHED, objective=objective)


def mixed(dimensions: int) -> Space:
    """As many ranges as asked for, of all kinds."""
    kinds: list[Range] = [
        kind
        for i in range(dimensions)
        for kind in (
            ContinuousRange(f"x{i}", 1e-6, 1, "Logarithmic"),
            IntegerRange(f"n{i}", 1, 100),
            CategoricalRange(f"c{i}", ("a", "b", "c")),
        )
    ]
    return Space(tuple(kinds[:dimensions]))


def seconds_to_suggest(searched: Space, count: int, running: int, rounds: int) -> list[float]:
    """How long the next point takes after `count` trials, for several histories."""
    rng = np.random.default_rng(0)
    taken = []
    for seed in range(rounds + 1):
        places = rng.random((count + running, len(searched)))
        trials = [Trial(searched.values(place)) for place in places]
        losses = ((places - 0.4) ** 2).sum(axis=1) + 0.1 * np.sin(12 * places).sum(axis=1)
        for index in range(count):
            trials[index] = finished(trials[index], float(losses[index]))
        began = time.perf_counter()
        BayesianSearch(searched, seed, "Minimize").suggest(trials)
        taken.append(time.perf_counter() - began)
    return taken[1:]
