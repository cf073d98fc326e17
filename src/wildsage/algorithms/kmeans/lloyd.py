"""The mathematics of k-means on weighted points: assignment, sums, k-means++, Lloyd's iteration.

Squared distances are compared as ``|c|²/2 - x·c``, one matrix product. That cancels badly where points lie far from
the origin: callers move the data to its mean first.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_CHUNK = 1 << 18
"""Numbers of a block of scores: small enough to stay in the cache between the product and the maximum."""

_FEW = 2048
"""Points of which all distances are kept: 32 MiB."""

F = TypeVar("F", np.float32, np.float64)


def assign(points: NDArray[F], centres: NDArray[F]) -> tuple[NDArray[np.intp], NDArray[F]]:
    """Find each point's nearest centre.

    Parameters
    ----------
    points
        (n, d).
    centres
        (k, d), of the points' type.

    Returns
    -------
    labels, scores
        (n,) index of the nearest centre, and ``x·c - |c|²/2`` of it: the squared distance is
        ``|x|² - 2 score``.
    """
    half_norms = np.einsum("ij,ij->i", centres, centres) / 2
    transposed = np.ascontiguousarray(centres.T)
    labels = np.empty(len(points), np.intp)
    scores = np.empty(len(points), points.dtype)
    step = max(64, _CHUNK // len(centres))
    for start in range(0, len(points), step):
        block = points[start : start + step] @ transposed
        block -= half_norms
        nearest = block.argmax(axis=1)
        labels[start : start + step] = nearest
        scores[start : start + step] = block[np.arange(len(block)), nearest]
    return labels, scores


def squared_distances(points: NDArray[F], centres: NDArray[F], labels: NDArray[np.intp]) -> NDArray[F]:
    """Squared distance of each point to the centre it is assigned to, without cancellation: (n,)."""
    difference = points - centres[labels]
    squared: NDArray[F] = np.einsum("ij,ij->i", difference, difference)
    return squared


def sums_by_label(
    points: NDArray[F], labels: NDArray[np.intp], k: int
) -> tuple[NDArray[F], NDArray[np.int64]]:
    """Sum the points of each cluster: (k, d), and their counts (k,)."""
    counts = np.bincount(labels, minlength=k)
    ordered = points[np.argsort(labels, kind="stable")]
    ends = np.cumsum(counts)
    ones = np.ones(int(counts.max(initial=1)), points.dtype)
    sums = np.zeros((k, points.shape[1]), points.dtype)
    for label in np.flatnonzero(counts):
        # A product with ones sums a block of rows several times as fast as numpy's own sum.
        block = ordered[ends[label] - counts[label] : ends[label]]
        np.dot(ones[: len(block)], block, out=sums[label])
    return sums, counts


class SquaredDistances:
    """Squared distances between points, without cancellation only near the origin.

    Parameters
    ----------
    points
        (n, d). Of a few points, all distances are found at once: they are asked for again and again.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._points = points
        self._norms = np.einsum("ij,ij->i", points, points)
        self._all: NDArray[np.float64] | None = None

    def to(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the squared distances of all points to m chosen ones: (n, m)."""
        if self._all is None:
            if len(self._points) > _FEW:
                return self._between(chosen)
            self._all = self._between(np.arange(len(self._points)))
        return self._all[:, chosen]

    def _between(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        squared: NDArray[np.float64] = self._points @ (-2 * self._points[chosen].T)
        squared += self._norms[:, np.newaxis]
        squared += self._norms[chosen]
        return np.maximum(squared, 0, out=squared)


def choose_by_distance(
    squares: SquaredDistances, weights: NDArray[np.float64], k: int, rng: Generator
) -> NDArray[np.intp]:
    """Choose k first centres by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007).

    Each next centre is the best of a few candidates drawn with probability proportional to weight times squared
    distance to the centres so far.

    Parameters
    ----------
    squares
        Between n points, k ≤ n.
    weights
        (n,), at least k of them positive.

    Returns
    -------
    Which points they are: (k,).
    """
    candidates = 2 + int(np.log(k))
    chosen = [int(rng.choice(len(weights), p=weights / weights.sum()))]
    distances = squares.to(np.array(chosen))[:, 0]
    for _ in range(1, k):
        mass = distances * weights
        mass[chosen] = 0
        total = mass.sum()
        if total <= 0:
            # All points coincide with a centre: any other will do.
            rest = np.setdiff1d(np.arange(len(weights)), chosen)
            chosen.append(int(rng.choice(rest)))
            continue
        drawn = np.searchsorted(np.cumsum(mass), rng.random(candidates) * total, side="right")
        drawn = np.minimum(drawn, len(weights) - 1)
        reached = np.minimum(distances[:, np.newaxis], squares.to(drawn))
        best = int((weights @ reached).argmin())
        chosen.append(int(drawn[best]))
        distances = reached[:, best]
    return np.array(chosen)


@dataclass(frozen=True, slots=True)
class Clustering:
    """Centres (k, d) and the weighted sum of squared distances to them."""

    centres: NDArray[np.float64]
    loss: float


def lloyd(
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    centres: NDArray[np.float64],
    max_iterations: int,
    tolerance: float,
) -> Clustering:
    """Improve centres by Lloyd's iteration until the loss falls by less than `tolerance` of itself.

    A centre that loses all its points starts again at the point that is farthest from its centre.
    """
    last = np.inf
    clustering = Clustering(centres, np.inf)
    for _ in range(max_iterations):
        labels, _ = assign(points, centres)
        distances = squared_distances(points, centres, labels) * weights
        loss = float(distances.sum())
        if loss < clustering.loss:
            clustering = Clustering(centres, loss)
        if last - loss <= tolerance * loss:
            break
        last = loss
        centres = _weighted_means(points, weights, labels, centres, distances)
    return clustering


def _weighted_means(
    points: NDArray[np.float64],
    weights: NDArray[np.float64],
    labels: NDArray[np.intp],
    centres: NDArray[np.float64],
    distances: NDArray[np.float64],
) -> NDArray[np.float64]:
    k = len(centres)
    mass = np.bincount(labels, weights, k)
    sums, _ = sums_by_label(points * weights[:, np.newaxis], labels, k)
    moved = centres.copy()
    full = mass > 0
    moved[full] = sums[full] / mass[full, np.newaxis]
    empty = np.flatnonzero(~full)
    if empty.size:
        moved[empty] = points[np.argsort(distances)[::-1][: empty.size]]
    return moved
