"""Spaces and searches that several tests use."""

import math
from collections.abc import Callable

import numpy as np

from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange
from wildsage.search.space import Space
from wildsage.search.trial import Status, Strategy, Trial

MIXED = Space(
    (
        ContinuousRange("eta", 1e-4, 1.0, "Logarithmic"),
        IntegerRange("depth", 1, 10, "Linear"),
        CategoricalRange("booster", ("gbtree", "dart", "gblinear")),
        IntegerRange("rounds", 1, 1000, "Auto"),
    )
)
PLANE = Space((ContinuousRange("x0", -5, 10, "Linear"), ContinuousRange("x1", 0, 15, "Linear")))


def finished(values, objective, reports=()):
    return Trial(values, Status.FINISHED, objective, tuple(reports))


def search(
    strategy: Strategy, objective: Callable[[dict[str, str]], float], count: int, enough: float = -math.inf
) -> list[Trial]:
    """Run a search one trial after the other, to a loss below `enough` or a number of trials."""
    trials: list[Trial] = []
    while len(trials) < count and (not trials or best(trials) >= enough):
        (values,) = strategy.suggest(trials)
        trials.append(finished(values, objective(values)))
    return trials


def best(trials: list[Trial]) -> float:
    """The least loss."""
    return min(trial.objective for trial in trials if trial.observed and trial.objective is not None)


BRANIN_LEAST = 0.397887


def branin(values: dict[str, str]) -> float:
    """Branin's function; its least value is 0.397887."""
    a, b = float(values["x0"]), float(values["x1"])
    bent = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return float(bent**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)
