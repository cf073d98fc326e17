"""Random Cut Forest beside rrcf, scikit-learn's isolation forest and AWS's open random cut forest (by krcf).

All have their defaults, 100 trees of at most 256 rows, and see the same rows in the same order. A row is scored by the
forest that has seen it; rrcf scores the rows of its trees, for a row outside of them takes it 20 ms and more.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import krcf
import numpy as np
import rrcf
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from benchmarks.algorithms.anomalies import SETS, shuttle
from benchmarks.algorithms.comparison import Comparison, Target, alternate
from benchmarks.algorithms.data import Matrix
from wildsage.algorithms.randomcutforest import RandomCutForest
from wildsage.algorithms.randomcutforest.forest import grow
from wildsage.algorithms.randomcutforest.scoring import Scorer
from wildsage.toolkit.threads import threads

TITLE = "Random Cut Forest"
TREES, SIZE = 100, 256
SCORED = 5000
"""Rows of a large set that are scored."""
_FEW, _FORESTS = 50, 4
"""Where there are fewer anomalies, an area differs by 0.05 from forest to forest: a seed's is the mean of several."""

Scores = NDArray[np.float64]
Areas = tuple[float, ...]
"""An area under the curve for each seed."""


def compare(seeds: int) -> Iterator[Comparison]:
    yield from _quality(seeds)
    yield from _speed(seeds)


def _quality(seeds: int) -> Iterator[Comparison]:
    """Compare the areas on each set, and their mean over the sets."""
    found: dict[str, list[Areas]] = {peer: [] for peer in PEERS}
    for name, load in SETS.items():
        measured = [
            _measured(*load(rng), rng, seed)
            for seed, rng in enumerate(map(np.random.default_rng, range(seeds)))
        ]
        for peer, sets in found.items():
            sets.append(tuple(areas[peer] for areas in measured))
        yield from _areas(name, {peer: sets[-1] for peer, sets in found.items()})
    means = {peer: _mean(sets) for peer, sets in found.items()}
    rivals = zip(*(sets for peer, sets in found.items() if peer != TITLE), strict=True)
    means["the best peer of each set"] = _mean([max(areas, key=sum) for areas in rivals])
    yield from _areas(f"mean of the {len(SETS)} sets", means)


def _measured(rows: Matrix, labels: NDArray[np.bool_], rng: Generator, seed: int) -> dict[str, float]:
    """Take each peer's area on the draw of a seed."""
    forests = _FORESTS if labels.sum() < _FEW else 1
    areas = dict.fromkeys(PEERS, 0.0)
    for number in range(forests):
        order = rng.permutation(len(rows))
        ordered, wanted = rows[order], labels[order][:SCORED]
        for peer, scores in PEERS.items():
            found = scores(ordered, ordered[:SCORED], seed * forests + number)
            areas[peer] += float(roc_auc_score(wanted, found)) / forests
    return areas


def _areas(data: str, areas: Mapping[str, Areas]) -> Iterator[Comparison]:
    for peer in (name for name in areas if name != TITLE):
        target = Target("difference", least=-0.01)
        yield Comparison(TITLE, data, "AUC", areas[TITLE], peer, areas[peer], target)


def _mean(sets: list[Areas]) -> Areas:
    """Average over the sets, seed by seed."""
    return tuple(np.mean(sets, axis=0).tolist())


def _ours(rows: Matrix, scored: Matrix, seed: int) -> Scores:
    del seed  # it has none: the order of the rows differs
    return RandomCutForest().fit(rows).predict(scored)["score"]


def _isolation_forest(rows: Matrix, scored: Matrix, seed: int) -> Scores:
    return -IsolationForest(random_state=seed).fit(rows).score_samples(scored)


def _aws(rows: Matrix, scored: Matrix, seed: int) -> Scores:
    forest = krcf.RandomCutForest(
        {"dimensions": rows.shape[1], "shingle_size": 1, "num_trees": TREES, "sample_size": SIZE,
         "output_after": 1, "random_seed": seed + 1, "parallel_execution_enabled": False}
    )  # fmt: skip
    for row in rows.tolist():
        forest.update(row)
    return np.array([forest.score(row) for row in scored.tolist()])


def _robust(rows: Matrix, scored: Matrix, seed: int) -> Scores:
    """Average displacement over the trees that hold a row, as rrcf's own guide takes it."""
    rng = np.random.default_rng(seed)
    size = min(SIZE, len(rows))
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    for _ in range(TREES):
        chosen = rng.choice(len(scored), size, replace=False)
        tree = rrcf.RCTree(np.float64(rows[chosen]), index_labels=chosen)
        total[chosen] += [tree.codisp(leaf) for leaf in chosen.tolist()]
        count[chosen] += 1
    return (total / np.maximum(count, 1))[: len(scored)]


PEERS: dict[str, Callable[[Matrix, Matrix, int], Scores]] = {
    TITLE: _ours,
    "scikit-learn IsolationForest": _isolation_forest,
    "AWS's random cut forest (krcf)": _aws,
    "rrcf": _robust,
}


def _speed(seeds: int) -> Iterator[Comparison]:
    rows = np.ascontiguousarray(shuttle()[0][np.random.default_rng(0).permutation(49097)])
    data = f"shuttle, {TREES} trees of {SIZE} rows"
    yield from _building(rows[: TREES * SIZE], data, seeds)
    yield from _scoring(rows, data, seeds)


def _building(sample: Matrix, data: str, seeds: int) -> Iterator[Comparison]:
    parts = np.arange(TREES * SIZE).reshape(TREES, SIZE)
    doubles = np.float64(sample)
    ours, theirs = alternate(
        lambda: grow(sample, parts, np.random.default_rng(0), threads()),
        lambda: [rrcf.RCTree(doubles[part]) for part in parts],
        seeds,
    )
    yield _rate(data, "trees built a second", TREES, ours, "rrcf", theirs, 10)
    ours, theirs = alternate(
        lambda: RandomCutForest().fit(sample), lambda: IsolationForest().fit(sample), seeds
    )
    yield _rate(data, "fits a second", 1, ours, "scikit-learn IsolationForest", theirs)


def _scoring(rows: Matrix, data: str, seeds: int) -> Iterator[Comparison]:
    parts = np.arange(TREES * SIZE).reshape(TREES, SIZE)
    scorer = Scorer(grow(rows[: TREES * SIZE], parts, np.random.default_rng(0)), threads())
    asked = rows[TREES * SIZE :][:SCORED]
    robust = [rrcf.RCTree(np.float64(rows[part])) for part in parts]
    few = 5
    ours, theirs = alternate(lambda: scorer.scores(asked), lambda: _inserted(robust, asked[:few]), seeds)
    ours = tuple(seconds / len(asked) for seconds in ours)
    yield _rate(data, "rows scored a second", 1, ours, "rrcf", tuple(s / few for s in theirs), 100)
    isolation = IsolationForest().fit(rows[: TREES * SIZE])
    ours, theirs = alternate(lambda: scorer.scores(asked), lambda: isolation.score_samples(asked), seeds)
    yield _rate(data, "rows scored a second", len(asked), ours, "scikit-learn IsolationForest", theirs)
    began = time.perf_counter()
    _aws(rows, asked[:0], 0)
    updated = time.perf_counter() - began
    ours, theirs = alternate(lambda: scorer.scores(asked), lambda: _aws(rows[:SIZE], asked, 0), seeds)
    yield _rate(data, "rows scored a second", len(asked), ours, "AWS's random cut forest (krcf)", theirs)
    fitted = alternate(lambda: RandomCutForest().fit(rows), lambda: None, 1)[0]
    yield _rate(
        data, "rows trained on a second", len(rows), fitted, "AWS's random cut forest (krcf)", (updated,)
    )


def _inserted(trees: list[rrcf.RCTree], rows: Matrix) -> list[float]:
    """Score rows that are in no tree: each is put in, its displacement taken, and taken out again."""
    scores = []
    for row in np.float64(rows):
        total = 0.0
        for tree in trees:
            tree.insert_point(row, index="new")
            total += tree.codisp("new")
            tree.forget_point("new")
        scores.append(total / len(trees))
    return scores


def _rate(
    data: str, measure: str, count: int, ours: tuple[float, ...], peer: str, theirs: tuple[float, ...],
    least: float | None = None,
) -> Comparison:  # fmt: skip
    target = Target("ratio", least=least) if least else None
    rates = [tuple(count / seconds for seconds in side) for side in (ours, theirs)]
    return Comparison(TITLE, data, measure, rates[0], peer, rates[1], target)
