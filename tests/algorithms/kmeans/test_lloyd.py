import itertools

import numpy as np
import pytest

from wildsage.algorithms.kmeans.lloyd import (
    SquaredDistances,
    assign,
    choose_by_distance,
    lloyd,
    squared_distances,
    sums_by_label,
)


@pytest.mark.parametrize(("dtype", "k"), [(np.float32, 3), (np.float64, 700)])
def test_assignment_agrees_with_all_pairs(dtype, k):
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(1000, 5)).astype(dtype), rng.normal(size=(k, 5)).astype(dtype)
    all_pairs = ((points[:, np.newaxis] - centres) ** 2).sum(axis=2)
    labels, scores = assign(points, centres)
    assert np.array_equal(labels, all_pairs.argmin(axis=1))
    np.testing.assert_allclose(squared_distances(points, centres, labels), all_pairs.min(axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        (points**2).sum(axis=1) - 2 * scores, all_pairs.min(axis=1), rtol=1e-3, atol=1e-5
    )


def test_sums_agree_with_a_loop():
    rng = np.random.default_rng(1)
    points, labels = rng.normal(size=(200, 3)), rng.integers(0, 7, 200)
    labels[labels == 4] = 5
    sums, counts = sums_by_label(points, labels, 8)
    for label in range(8):
        np.testing.assert_allclose(sums[label], points[labels == label].sum(axis=0), atol=1e-12)
        assert counts[label] == (labels == label).sum()


def test_lloyd_finds_the_best_of_all_partitions_of_a_tiny_input():
    points = np.array([[0.0], [1], [10], [11], [30], [33]])
    weights = np.array([1.0, 3, 1, 1, 2, 1])

    def loss(partition):
        total = 0.0
        for label in set(partition):
            chosen = np.array(partition) == label
            mean = np.average(points[chosen], axis=0, weights=weights[chosen])
            total += (weights[chosen] * ((points[chosen] - mean) ** 2).sum(axis=1)).sum()
        return total

    best = min(loss(partition) for partition in itertools.product(range(3), repeat=6))
    rng = np.random.default_rng(0)
    squares = SquaredDistances(points)
    chosen = [choose_by_distance(squares, weights, 3, rng) for _ in range(5)]
    trials = [lloyd(points, weights, points[first], 100, 0.0) for first in chosen]
    assert min(trial.loss for trial in trials) == pytest.approx(best)
    found = min(trials, key=lambda trial: trial.loss)
    assert np.sort(found.centres[:, 0]).tolist() == pytest.approx([0.75, 10.5, 31])


def test_a_centre_without_points_starts_again_far_away():
    points = np.array([[0.0], [1.0], [100.0], [101.0]])
    found = lloyd(points, np.ones(4), np.array([[0.5], [9999.0]]), 100, 0.0)
    assert sorted(found.centres[:, 0]) == [0.5, 100.5]


def test_plus_plus_spreads_its_centres():
    points = np.repeat([[0.0, 0], [100, 0], [0, 100]], 20, axis=0) + np.random.default_rng(0).normal(
        size=(60, 2)
    )
    for seed in range(5):
        chosen = points[
            choose_by_distance(SquaredDistances(points), np.ones(60), 3, np.random.default_rng(seed))
        ]
        assert len({(int(x > 50), int(y > 50)) for x, y in chosen}) == 3


def test_plus_plus_copes_with_equal_points():
    squares = SquaredDistances(np.zeros((5, 2)))
    chosen = choose_by_distance(squares, np.ones(5), 4, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 4


def test_distances_of_few_and_of_many_points_are_the_same(monkeypatch):
    points = np.random.default_rng(0).normal(size=(50, 3))
    chosen = np.array([7, 0, 7])
    wanted = ((points[:, np.newaxis] - points[chosen]) ** 2).sum(axis=2)
    np.testing.assert_allclose(SquaredDistances(points).to(chosen), wanted, atol=1e-12)
    monkeypatch.setattr("wildsage.algorithms.kmeans.lloyd._FEW", 10)
    np.testing.assert_allclose(SquaredDistances(points).to(chosen), wanted, atol=1e-12)
