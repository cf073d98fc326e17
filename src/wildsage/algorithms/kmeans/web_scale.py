"""Web-scale k-means: mini-batches move many centres, which Lloyd's iteration shrinks to k at the end.

References
----------
D. Sculley, "Web-Scale K-Means Clustering", WWW 2010.
E. Liberty et al., "Elastic Machine Learning Algorithms in Amazon SageMaker", SIGMOD 2020.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import Clustering, assign, choose_by_distance, lloyd, sums_by_label

InitMethod = Literal["random", "kmeans++"]

_AUTOMATIC_CENTRES = 512
_AUTOMATIC_FACTORS = 4, 10
_AUTOMATIC_TRIALS = 10


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
        return self._begin(last=False)

    def finish(self) -> NDArray[np.float32]:
        """Shrink to k centres: (k, d).

        Raises
        ------
        TooFewRowsError
            If k exceeds the count of distinct rows.
        """
        if not self.centre_count:
            self._begin(last=True)
        best = self._shrink()
        return (best.centres + self._origin).astype(np.float32)

    def _begin(self, *, last: bool) -> float:
        """Choose the first centres among the rows gathered, then take the step with these rows."""
        rows = np.concatenate(self._waiting) if self._waiting else np.zeros((0, 0), np.float32)
        distinct = _distinct(rows)
        if len(distinct) < self._settings.k:
            if last:
                raise TooFewRowsError(
                    f"k is {self._settings.k}, but the training data has only {len(distinct)} distinct rows"
                )
            return 0.0
        self._waiting = []
        self._origin = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        count = min(self._settings.k * self._settings.factor, len(distinct))
        choice = (rows[distinct] - self._origin).astype(np.float64)
        if self._settings.init_method == "random":
            self._centres = choice[self._rng.choice(len(choice), count, replace=False)]
        else:
            self._centres = choose_by_distance(choice, np.ones(len(choice)), count, self._rng)
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
        loss = np.vdot(points, points) - 2 * scores.sum(dtype=np.float64)
        return max(float(loss), 0.0)

    def _shrink(self) -> Clustering:
        """Cluster the centres themselves, weighted by the points they stand for; the best trial counts."""
        settings = self._settings
        used = self._weights > 0
        if used.sum() < settings.k:
            used[:] = True
        points = self._centres[used]
        weights = np.maximum(self._weights[used], np.finfo(np.float64).tiny)
        if len(points) == settings.k:
            return Clustering(points, 0.0)
        best = Clustering(points, np.inf)
        for _ in range(settings.lloyd_trials):
            if settings.lloyd_init_method == "random":
                first = points[self._rng.choice(len(points), settings.k, replace=False)]
            else:
                first = choose_by_distance(points, weights, settings.k, self._rng)
            trial = lloyd(points, weights, first, settings.lloyd_max_iterations, settings.lloyd_tolerance)
            best = min(best, trial, key=lambda clustering: clustering.loss)
        return best


def _distinct(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Positions of the first of each group of equal rows."""
    if rows.size == 0:
        return np.zeros(0, np.intp)
    # Adding 0 makes -0 equal to 0 in bytes, too.
    whole = np.ascontiguousarray(rows + np.float32(0)).view(np.dtype((np.void, rows.shape[1] * 4)))
    return np.sort(np.unique(whole.ravel(), return_index=True)[1])
