"""How good searches are on the whole of their way: areas under the best so far, and how far a difference is certain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

Runs = Mapping[str, Sequence[Sequence[float]]]
"""By column the losses of each seed, in their order."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Scale:
    """What of an objective is nothing, and what is everything.

    Attributes
    ----------
    poor
        What a random point comes to at the median.
    best
        The least that any search has found.
    """

    poor: float
    best: float

    @classmethod
    def of(cls, runs: Runs, random: str) -> "Scale":
        """Find both, `random` being the column of random points."""
        best = min(min(run) for some in runs.values() for run in some)
        return cls(float(np.median(np.concatenate(runs[random]))), best)

    def area(self, losses: Sequence[float]) -> float:
        """The mean, over the trials, of how far from poor (0) to best (1) the best so far is."""
        reached = np.minimum.accumulate(np.asarray(losses, float))
        return float(np.clip((self.poor - reached) / (self.poor - self.best), 0, 1).mean())


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and what lies within 95 % of certainty around it (Student's t)."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: NDArray[np.float64]) -> "Interval":
        """Of independent samples, (n,), two at least."""
        mean = float(samples.mean())
        width = float(
            t.ppf((1 + CONFIDENCE) / 2, len(samples) - 1) * samples.std(ddof=1) / np.sqrt(len(samples))
        )
        return cls(mean, mean - width, mean + width)

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def areas(runs: Runs, random: str) -> dict[str, NDArray[np.float64]]:
    """Areas of each seed, by column."""
    scale = Scale.of(runs, random)
    return {column: np.array([scale.area(run) for run in some]) for column, some in runs.items()}
