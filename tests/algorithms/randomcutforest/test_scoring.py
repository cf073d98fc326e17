from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from tests.algorithms.randomcutforest.brute_force import attribution

from wildsage.algorithms.randomcutforest import scoring
from wildsage.algorithms.randomcutforest.forest import grow
from wildsage.algorithms.randomcutforest.sampling import deal
from wildsage.algorithms.randomcutforest.scoring import Scorer


def forest_of(points, trees=50, size=256, seed=0):
    rng = np.random.default_rng(seed)
    return grow(np.float32(points), deal(len(points), trees, size, rng), rng)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 7])
def test_scores_and_attributions_are_those_of_the_definition(width, version):
    rng = np.random.default_rng(width)
    points = rng.normal(size=(60, width)).round(1)  # some are equal
    forest = replace(forest_of(points, trees=3, size=20), version=version)
    rows = np.float32([*points[:30], *rng.normal(size=(30, width)), [5] * width])
    wanted = np.array([attribution(forest, row) for row in rows.tolist()])
    np.testing.assert_allclose(Scorer(forest).attributions(rows), wanted, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(Scorer(forest).scores(rows), wanted.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_tree_of_one_point(version):
    scorer = Scorer(replace(forest_of([[2, 3]], trees=50), version=version))
    # Another point would be cut off at the root; an equal one halves its mass.
    assert scorer.scores(np.float32([[2, 4], [2, 3]])).tolist() == pytest.approx([1, 0.5])
    np.testing.assert_allclose(scorer.attributions(np.float32([[2, 4]])), [[0, 1]])


def test_blocks_and_threads_do_not_matter(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    forest = forest_of(rows)
    whole = Scorer(forest).scores(rows)
    np.testing.assert_array_equal(Scorer(forest, threads=2).scores(rows), whole)
    monkeypatch.setattr(scoring, "_PAIRS", 700)
    np.testing.assert_allclose(Scorer(forest).scores(rows), whole, rtol=1e-9)


def test_ordinary_rows_score_about_one_and_anomalies_several():
    rng = np.random.default_rng(0)
    scorer = Scorer(forest_of(rng.normal(size=(20_000, 4)), trees=100))
    ordinary = scorer.scores(rng.normal(size=(1000, 4)).astype(np.float32))
    assert 0.5 < ordinary.mean() < 1.2
    assert scorer.scores(np.float32([[20, 0, 0, 0]])) > 4
    shares = scorer.attributions(np.float32([[20, 0, 0, 0]]))[0]
    assert shares[0] > 0.9 * shares.sum()


def test_scores_are_finite_whatever_the_numbers():
    points = np.repeat(np.float32([[0, 0], [0, 1e-45], [3e38, -3e38], [1, 1]]), 20, axis=0)
    scorer = Scorer(forest_of(points))
    rows = np.float32([[0, 0], [-3e38, 3e38], [1e-45, 0], [3e38, 3e38]])
    assert np.isfinite(scorer.scores(rows)).all()
    assert np.isfinite(scorer.attributions(rows)).all()


def cases():
    """Known sets whose rare class is cut down to anomalies, as the ODDS collection has them."""
    cancer, wine, digits = load_breast_cancer(), load_wine(), load_digits()
    zeros_and_sixes = np.isin(digits.target, (0, 6))
    yield "breast cancer", cancer.data, cancer.target == 0, 40
    yield "wine", wine.data, wine.target == 0, 10
    yield "digits", digits.data[zeros_and_sixes], digits.target[zeros_and_sixes] == 6, 15


@pytest.mark.parametrize(("name", "data", "rare", "kept"), [pytest.param(*c, id=c[0]) for c in cases()])
def test_anomalies_are_told_as_well_as_by_an_isolation_forest(name, data, rare, kept):
    ours, theirs = [], []
    for seed in range(3):
        chosen = np.random.default_rng(seed).choice(np.flatnonzero(rare), kept, replace=False)
        index = np.concatenate([np.flatnonzero(~rare), chosen])
        rows, labels = np.float32(data[index]), rare[index]
        ours.append(roc_auc_score(labels, Scorer(forest_of(rows, trees=100, seed=seed)).scores(rows)))
        peer = IsolationForest(n_estimators=100, random_state=seed).fit(rows)
        theirs.append(roc_auc_score(labels, -peer.score_samples(rows)))
    assert np.mean(ours) >= np.mean(theirs) - 0.01
    assert np.mean(ours) > 0.9
