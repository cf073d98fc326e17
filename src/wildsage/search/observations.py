"""What trials came to, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildsage.search.errors import SpaceError
from wildsage.search.space import Space
from wildsage.search.trial import Goal, Trial, losses

Array = NDArray[np.float64]

_LARGEST = 1e100
"""Objectives beyond, either way, are taken for this: the squares of larger ones overflow."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Places and losses of trials that are over.

    Attributes
    ----------
    places
        (n, ranges); of a parent they may lie outside of the unit cube.
    losses
        (n,): less is better.
    failed
        (f, ranges): places of trials that failed.
    """

    places: Array
    losses: Array
    failed: Array

    def inside(self) -> NDArray[np.bool_]:
        """Which places the space has: (n,)."""
        within: NDArray[np.bool_] = np.logical_and.reduce((self.places >= 0) & (self.places <= 1), axis=1)
        return within


def observe(space: Space, goal: Goal, trials: Iterable[Trial]) -> Observations:
    """Collect what is over. Trials with values that the space cannot have, as of parents with other ranges, are left out.

    Parameters
    ----------
    trials
        Running ones are left out.
    """
    observed, found, failed = [], [], []
    for trial in trials:
        place = _place(space, trial)
        if place is None:
            continue
        if trial.observed and trial.objective is not None:
            observed.append(place)
            found.append(trial.objective)
        elif trial.failed:
            failed.append(place)
    seen = np.clip(losses(found, goal), -_LARGEST, _LARGEST)
    return Observations(_stacked(space, observed), seen, _stacked(space, failed))


def running(space: Space, trials: Iterable[Trial]) -> Array:
    """Places of running trials: (p, ranges)."""
    places = [space.places(trial.values) for trial in trials if not (trial.observed or trial.failed)]
    return _stacked(space, places)


def _place(space: Space, trial: Trial) -> Array | None:
    try:
        return space.places(trial.values)
    except SpaceError:
        return None


def _stacked(space: Space, places: list[Array]) -> Array:
    return np.array(places, float).reshape(-1, len(space))
