"""Functions with a known minimum, each with the ranges and the trials that it is searched with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wildsage.search.ranges import ContinuousRange
from wildsage.search.space import Space
from wildsage.search.trial import Values

Point = NDArray[np.float64]


class Objective(Protocol):
    """What a search minimizes."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def space(self) -> Space:
        """Its ranges."""
        ...

    @property
    def trials(self) -> int:
        """How many evaluations a search has."""
        ...

    def value(self, values: Values) -> float:
        """What a point comes to."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """A function to minimize.

    Attributes
    ----------
    bounds
        Low and high of each argument.
    logarithmic
        The ranges are searched on a logarithmic scale.
    least
        The minimum.
    trials
        How many evaluations a search has.
    """

    name: str
    function: Callable[[Point], float]
    bounds: tuple[tuple[float, float], ...]
    least: float
    trials: int
    logarithmic: bool = False

    @property
    def space(self) -> Space:
        """Its ranges."""
        scale = "Logarithmic" if self.logarithmic else "Linear"
        bounds = enumerate(self.bounds)
        return Space(tuple(ContinuousRange(f"x{i}", low, high, scale) for i, (low, high) in bounds))

    def value(self, values: Values) -> float:
        """The function at the texts of a point."""
        return self.function(np.array([float(values[f"x{i}"]) for i in range(len(self.bounds))]))

    def at(self, cube: Point) -> Point:
        """Points of the unit cube, (..., d), as arguments."""
        low, high = np.array(self.bounds).T
        if self.logarithmic:
            return np.exp(np.log(low) + cube * np.log(high / low))
        return low + cube * (high - low)

    def values(self, count: int = 1 << 14) -> Point:
        """The function at uniform draws of the cube: (count,)."""
        drawn = np.random.default_rng(0).random((count, len(self.bounds)))
        return np.array([self.function(x) for x in self.at(drawn)])

    def regret(self, values: list[float]) -> float:
        """What the best of some values lacks."""
        return min(values) - self.least


def branin(x: Point) -> float:
    """Branin's function; three equal minima."""
    a, b = x
    bent = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return float(bent**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10)


_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_CURVATURES = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(x: Point) -> float:
    """Hartmann's function of six arguments; six minima."""
    return float(-_WEIGHTS @ np.exp(-(_CURVATURES * (x - _CENTRES) ** 2).sum(axis=1)))


def ackley(x: Point) -> float:
    """Ackley's function; many small minima around one sharp one at 0."""
    slope = -20 * np.exp(-0.2 * np.sqrt((x**2).mean()))
    return float(slope - np.exp(np.cos(2 * np.pi * x).mean()) + 20 + np.e)


def rosenbrock(x: Point) -> float:
    """Rosenbrock's function; one curved valley, the minimum at 1."""
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


# No minimum lies in the middle of the cube, where a design might begin.
PROBLEMS = (
    Problem("Branin", branin, ((-5, 10), (0, 15)), 0.39788735772973816, 30),
    Problem("Hartmann6", hartmann6, ((0, 1),) * 6, -3.322368011391339, 50),
    Problem("Ackley5", ackley, ((-15, 30),) * 5, 0.0, 50),
    Problem("Rosenbrock4 (log)", rosenbrock, ((0.05, 5),) * 4, 0.0, 50, logarithmic=True),
)
