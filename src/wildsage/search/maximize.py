"""Where in a space a function is largest: many candidates, and climbs from the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

from wildsage.search.ranges import CategoricalRange, IntegerRange
from wildsage.search.space import Space

Array = NDArray[np.float64]

_SPREAD = 1024
_NEARBY = 64
_WIDTHS = (0.2, 0.05, 0.01)
_STARTS = 8
_CLIMB = 50
_SWEEPS = 2
_KEPT = 64


class Acquisition(Protocol):
    """A function of a kernel's columns."""

    def __call__(self, points: Array) -> Array:
        """Values, (m,), at points (m, columns)."""
        ...

    def gradient(self, point: Array) -> tuple[float, Array]:
        """Value and derivative, (columns,), at a point (columns,)."""
        ...


@dataclass(frozen=True)
class Maximizer:
    """Looks for the largest values of a function over the values that a space has.

    Attributes
    ----------
    centres
        (k, ranges): promising places of the cube, whose neighbourhood is looked at closely: the best trials.
    """

    space: Space
    acquisition: Acquisition
    centres: Array
    rng: Generator

    def ranked(self) -> Array:
        """Places of the cube, (m, ranges), the one of the largest value first."""
        candidates = self._candidates()
        values = self.acquisition(self.space.columns(candidates))
        climbed = np.array(
            [self._stepped(self._climbed(start)) for start in self._starts(candidates, values)]
        )
        rest = candidates[np.argsort(-values, kind="stable")[:_KEPT]]
        found = np.vstack([climbed, rest])
        return found[np.argsort(-self.acquisition(self.space.columns(found)), kind="stable")]

    def _candidates(self) -> Array:
        """Places over the whole cube and around the centres: (m, ranges)."""
        spread = qmc.Sobol(len(self.space), rng=self.rng).random(_SPREAD)
        near = [self._around(centre, width) for centre in self.centres for width in _WIDTHS]
        return np.unique(self.space.snapped(np.vstack([spread, *near])), axis=0)

    def _around(self, centre: Array, width: float) -> Array:
        """Places near one: some of its numbers moved, some of its choices drawn anew; valleys run along axes, too."""
        shape = (_NEARBY, len(self.space))
        moved = centre + width * self.rng.standard_normal(shape)
        moved = np.where(self._categorical, self.rng.random(shape), moved)
        changed = self.rng.random(shape) < min(1.0, 2 / len(self.space))
        return np.where(changed, moved, centre)

    @cached_property
    def _categorical(self) -> NDArray[np.bool_]:
        return np.array([isinstance(one, CategoricalRange) for one in self.space.ranges])

    def _starts(self, candidates: Array, values: Array) -> Array:
        """The best, and others drawn with the better odds the better they are, so that not all are on one hill."""
        drawn = values / max(float(np.std(values)), 1e-9) + self.rng.gumbel(size=len(values))
        drawn[values.argmax()] = np.inf
        return candidates[np.argsort(-drawn)[:_STARTS]]

    def _climbed(self, place: Array) -> Array:
        """Climb along the numbers, whole ones taken for continuous."""
        numbers = ~self._categorical
        if not numbers.any():
            return place
        columns = self.space.columns(place[np.newaxis])[0]
        where = np.flatnonzero(numbers[self.space.groups])

        def downhill(moved: Array) -> tuple[float, Array]:
            columns[where] = moved
            value, slope = self.acquisition.gradient(columns)
            return -value, -slope[where]

        bounds = [(0, 1)] * len(where)
        found = minimize(
            downhill, place[numbers], jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _CLIMB}
        )
        moved = place.copy()
        moved[numbers] = found.x
        reached: Array = self.space.snapped(moved[np.newaxis])[0]
        return reached

    def _stepped(self, place: Array) -> Array:
        """Change one whole number or choice at a time while that helps.

        Rounding alone would end beside the best: the value between two whole numbers is none of them (Garrido-Merchán
        and Hernández-Lobato, Neurocomputing 380, 2020).
        """
        for _ in range(_SWEEPS):
            before = place
            for index, values in self._alternatives(place):
                others = np.repeat(place[np.newaxis], len(values), axis=0)
                others[:, index] = values
                place = others[int(self.acquisition(self.space.columns(others)).argmax())]
            if np.array_equal(before, place):
                break
        return place

    def _alternatives(self, place: Array) -> Iterator[tuple[int, Array]]:
        """For each discrete range the places to compare, the present one among them."""
        for index, one in enumerate(self.space.ranges):
            if index in self.space.listed:
                yield index, self.space.listed[index]
            elif isinstance(one, IntegerRange):
                number = int(one.text(place[index]))
                near = range(max(one.low, number - 2), min(one.high, number + 2) + 1)
                yield index, np.array([one.place(str(other)) for other in near])
