"""Web-scale k-means: mini-batches move many centres, which Lloyd's iteration shrinks to k at the end.

References
----------
D. Sculley, "Web-Scale K-Means Clustering", WWW 2010.
E. Liberty et al., "Elastic Machine Learning Algorithms in Amazon SageMaker", SIGMOD 2020.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import (
    Clustering,
    SquaredDistances,
    assign,
    choose_by_distance,
    lloyd,
    sums_by_label,
)

InitMethod = Literal["random", "kmeans++"]

_AUTOMATIC_CENTRES = 512
_AUTOMATIC_FACTORS = 4, 10
_AUTOMATIC_TRIALS = 10


@dataclass(frozen=True, slots=True)
class WeightedPoints:
    """What a run made of its rows: centres, each with the weight of the rows that it stands for.

    Attributes
    ----------
    points
        (n, d).
    weights
        (n,).
    """

    points: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyperparameters of the method, by the names of the declaration where they have one.

    Attributes
    ----------
    factor
        ``extra_center_factor``.
    half_life
        ``half_life_time_size``; 0: weights never decay.
    """

    k: int
    factor: int
    half_life: int
    init_method: InitMethod
    lloyd_init_method: InitMethod
    lloyd_max_iterations: int
    lloyd_trials: int
    lloyd_tolerance: float


def automatic_factor(k: int) -> int:
    """Choose ``extra_center_factor``: 10, falling to 4 for large k, because a step's cost grows with their product."""
    least, most = _AUTOMATIC_FACTORS
    return max(least, min(most, _AUTOMATIC_CENTRES // k))


def automatic_trials() -> int:
    """Choose ``local_lloyd_num_trials``: the final step sees few points, so that ten cost little."""
    return _AUTOMATIC_TRIALS


class TooFewRowsError(ValueError):
    """There are fewer distinct rows than clusters."""


class WebScaleKMeans:
    """The state of a run.

    Centres are kept relative to the mean of the first rows: distances come from a float32 matrix product, which
    is exact enough only near the origin. Their sums are kept in float64.

    Parameters
    ----------
    rng
        The only source of randomness: equal rows and settings give equal centres.
    """

    def __init__(self, settings: Settings, rng: Generator) -> None:
        self._settings = settings
        self._rng = rng
        self._waiting: list[NDArray[np.float32]] = []
        self._origin = np.zeros(0, np.float32)
        self._centres = np.zeros((0, 0), np.float64)
        self._weights = np.zeros(0, np.float64)

    @property
    def centre_count(self) -> int:
        """Centres in use now: at most k times the factor; 0 before the first step."""
        return len(self._centres)

    def observe(self, batch: NDArray[np.float32]) -> float:
        """Take one step with a mini-batch (m, d).

        Returns
        -------
        The sum of squared distances to the centres before the step; 0 while rows are still being gathered for
        the first centres.
        """
        if self.centre_count:
            return self._step(batch)
        self._waiting.append(batch)
        if sum(map(len, self._waiting)) < self._settings.k * self._settings.factor:
            return 0.0
        return self._begin()

    def summary(self) -> WeightedPoints:
        """Return the centres with their weights; the distinct rows themselves while they are too few for a step."""
        if self.centre_count:
            return WeightedPoints(self._centres + self._origin, self._weights)
        return _distinct(np.concatenate(self._waiting) if self._waiting else np.zeros((0, 0), np.float32))

    def _begin(self) -> float:
        """Choose the first centres among the rows gathered, then take the step with these rows."""
        rows = np.concatenate(self._waiting)
        distinct = _distinct(rows).points
        count = self._settings.k * self._settings.factor
        if len(distinct) < count:
            return 0.0
        self._waiting = []
        self._origin = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        choice = distinct - self._origin
        if self._settings.init_method == "random":
            self._centres = choice[self._rng.choice(len(choice), count, replace=False)]
        else:
            chosen = choose_by_distance(SquaredDistances(choice), np.ones(len(choice)), count, self._rng)
            self._centres = choice[chosen]
        self._weights = np.zeros(count)
        return self._step(rows)

    def _step(self, batch: NDArray[np.float32]) -> float:
        """Sculley's update: each centre becomes the weighted mean of itself and its new points."""
        points = batch - self._origin
        labels, scores = assign(points, self._centres.astype(np.float32))
        sums, counts = sums_by_label(points, labels, self.centre_count)
        if self._settings.half_life:
            self._weights *= 0.5 ** (len(batch) / self._settings.half_life)
        self._weights += counts
        hit = counts > 0
        share = 1 / self._weights[hit, np.newaxis]
        self._centres[hit] += (sums[hit] - counts[hit, np.newaxis] * self._centres[hit]) * share
        # Of each row in float32, of the batch in float64: so many squares may be beyond float32.
        squares = np.einsum("ij,ij->i", points, points).sum(dtype=np.float64)
        loss = squares - 2 * scores.sum(dtype=np.float64)
        return max(float(loss), 0.0)


def shrink(parts: Sequence[WeightedPoints], settings: Settings, rng: Generator) -> NDArray[np.float32]:
    """Cluster what the hosts of a job made of their rows, weighted; the best trial counts.

    Returns
    -------
    The k centres: (k, d).

    Raises
    ------
    TooFewRowsError
        If k exceeds the count of distinct rows.
    """
    points = np.concatenate([part.points for part in parts if len(part.points)] or [np.zeros((0, 1))])
    weights = np.concatenate([part.weights for part in parts])
    used = weights > 0
    if used.sum() >= settings.k:
        points, weights = points[used], weights[used]
    if len(points) < settings.k:
        raise TooFewRowsError(
            f"k is {settings.k}, but the training data has only {len(points)} distinct rows"
        )
    if len(points) == settings.k:
        return points.astype(np.float32)
    weights = np.maximum(weights, np.finfo(np.float64).tiny)
    origin = np.average(points, axis=0, weights=weights)
    points = points - origin
    best = Clustering(points, np.inf)
    squares = SquaredDistances(points)
    for _ in range(settings.lloyd_trials):
        if settings.lloyd_init_method == "random":
            chosen = rng.choice(len(points), settings.k, replace=False)
        else:
            chosen = choose_by_distance(squares, weights, settings.k, rng)
        trial = lloyd(
            points, weights, points[chosen], settings.lloyd_max_iterations, settings.lloyd_tolerance
        )
        best = min(best, trial, key=lambda clustering: clustering.loss)
    return (best.centres + origin).astype(np.float32)


def totals(
    batches: Iterable[NDArray[np.float32]], centres: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the rows that are nearest to each centre: (k, d), relative to the centre, and their counts (k,).

    Parameters
    ----------
    batches
        Of rows: (m, d).
    centres
        (k, d).
    """
    origin = centres.mean(axis=0)
    shifted = centres - origin
    sums, counts = np.zeros(centres.shape), np.zeros(len(centres))
    for batch in batches:
        points = batch - origin
        labels, _ = assign(points, shifted)
        of_batch, found = sums_by_label(points, labels, len(centres))
        sums += of_batch - found[:, np.newaxis] * shifted
        counts += found
    return sums, counts


def moved(
    centres: NDArray[np.float32], sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Move centres to the mean of the rows that `totals` found nearest; a centre without rows stays."""
    return (centres + sums / np.maximum(counts, 1)[:, np.newaxis]).astype(np.float32)


def _distinct(rows: NDArray[np.float32]) -> WeightedPoints:
    """Return each group of equal rows once, in the order of their first, with their count."""
    if rows.size == 0:
        return WeightedPoints(np.zeros((0, rows.shape[1])), np.zeros(0))
    # Adding 0 makes -0 equal to 0 in bytes, too.
    whole = np.ascontiguousarray(rows + np.float32(0)).view(np.dtype((np.void, rows.shape[1] * 4)))
    _, first, counts = np.unique(whole.ravel(), return_index=True, return_counts=True)
    order = np.argsort(first)
    return WeightedPoints(rows[first[order]].astype(np.float64), counts[order].astype(np.float64))
