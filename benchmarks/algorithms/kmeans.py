"""K-Means beside full Lloyd, MiniBatchKMeans and FAISS.

Quality is the mean squared distance (msd) of the training rows at defaults, against the best of ten starts of Lloyd's
iteration. Speed is training time at equal msd: each peer gets the cheapest budget of its ladder whose msd, over three
seeds, is at most half a percent above ours; one that never comes there is measured at its dearest, and the row says so.
We have no seed: the order of the rows is what varies.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import faiss
import numpy as np
from sklearn.cluster import KMeans as Lloyd
from sklearn.cluster import MiniBatchKMeans

from benchmarks.algorithms.comparison import Comparison, Target, alternate
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist
from wildsage.algorithms.kmeans import KMeans
from wildsage.algorithms.kmeans.lloyd import assign, squared_distances

NAME = "K-Means"
_EQUAL = 1.005
_LADDER_SEEDS = 3
_FAR = 1.05
"""A budget whose first seed is so far above the msd that is wanted is too small: the other seeds are not tried."""
Train = Callable[[Matrix, int, int], Matrix]
"""Rows, k and a seed to the msd."""


def ours(rows: Matrix, k: int) -> KMeans:
    return KMeans(k=k).fit(rows)


def msd(rows: Matrix, centres: Matrix) -> float:
    origin = centres.mean(axis=0)
    labels, _ = assign(rows - origin, centres - origin)
    return float(squared_distances(rows, centres, labels).mean(dtype=np.float64))


def our_msd(rows: Matrix, k: int) -> float:
    distances = ours(rows, k).predict(rows)["distance_to_cluster"]
    return float((distances.astype(np.float64) ** 2).mean())


def lloyd(iterations: int, rows: Matrix, k: int, seed: int) -> Matrix:
    return Lloyd(k, n_init=1, max_iter=iterations, random_state=seed).fit(rows).cluster_centers_


def mini_batches(epochs: int, rows: Matrix, k: int, seed: int) -> Matrix:
    found = MiniBatchKMeans(k, batch_size=5000, n_init=1, max_iter=epochs, random_state=seed).fit(rows)
    return found.cluster_centers_


def faiss_lloyd(iterations: int, rows: Matrix, k: int, seed: int) -> Matrix:
    options = {"niter": iterations, "seed": seed + 1, "min_points_per_centroid": 1}
    found = faiss.Kmeans(rows.shape[1], k, max_points_per_centroid=len(rows), **options)
    found.train(rows)
    return found.centroids


LADDERS: dict[str, tuple[Callable[..., Matrix], str, Sequence[int]]] = {
    "scikit-learn KMeans, one start": (lloyd, "iterations", (2, 4, 8, 16, 32, 300)),
    "MiniBatchKMeans of 5000 rows": (mini_batches, "epochs", (1, 2, 4, 8, 100)),
    "FAISS Kmeans": (faiss_lloyd, "iterations", (2, 4, 8, 16, 25)),
}


def compare(seeds: int) -> Iterator[Comparison]:
    logging.disable(logging.INFO)
    for name, rows, k in (
        ("iris", bundled("iris")[0], 3),
        ("wine", bundled("wine")[0], 3),
        ("breast cancer", bundled("breast_cancer")[0], 2),
        ("digits", bundled("digits")[0], 10),
        ("Fashion-MNIST, 10,000 rows", fashion_mnist("t10k")[0], 10),
        ("Fashion-MNIST, 10,000 rows", fashion_mnist("t10k")[0], 100),
    ):
        yield _quality(f"{name}, k = {k}", rows, k, seeds)
    for k in (10, 100):
        yield from _speed(f"Fashion-MNIST, 60,000 rows, k = {k}", fashion_mnist()[0], k, seeds)


def _quality(data: str, rows: Matrix, k: int, seeds: int) -> Comparison:
    shuffled = (np.random.default_rng(seed).permutation(rows) for seed in range(seeds))
    reached = tuple(our_msd(one, k) for one in shuffled)
    best = Lloyd(k, n_init=10, random_state=0).fit(rows).cluster_centers_
    peer = "scikit-learn KMeans, best of 10 starts"
    return Comparison(NAME, data, "msd", reached, peer, (msd(rows, best),), Target("ratio", most=1.02))


def _speed(data: str, rows: Matrix, k: int, rounds: int) -> Iterator[Comparison]:
    orders = [np.random.default_rng(seed).permutation(rows) for seed in range(_LADDER_SEEDS)]
    wanted = float(np.mean([our_msd(one, k) for one in orders]))
    for peer, (train, unit, budgets) in LADDERS.items():
        budget, reached = _budget(train, budgets, rows, k, _EQUAL * wanted)
        seconds = alternate(partial(ours, rows, k), partial(train, budget, rows, k, 0), rounds)
        # Speed is what is compared, so that more is better.
        mine, theirs = (tuple(len(rows) / second for second in side) for side in seconds)
        label = f"{peer}, {budget} {unit} (its msd: {reached / wanted:.3f} × ours)"
        yield Comparison(NAME, data, "rows/s trained", mine, label, theirs, Target("ratio", least=1))


def _budget(
    train: Callable[..., Matrix], budgets: Sequence[int], rows: Matrix, k: int, wanted: float
) -> tuple[int, float]:
    """Return the first budget that reaches an msd, or the last one, and the msd that it reaches."""
    reached = np.inf
    for budget in budgets:
        found = [msd(rows, train(budget, rows, k, 0))]
        if found[0] <= _FAR * wanted or budget == budgets[-1]:
            found += [msd(rows, train(budget, rows, k, seed)) for seed in range(1, _LADDER_SEEDS)]
        reached = float(np.mean(found))
        if reached <= wanted:
            break
    return budget, reached
