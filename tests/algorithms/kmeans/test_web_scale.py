import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.web_scale import (
    Settings,
    TooFewRowsError,
    WebScaleKMeans,
    automatic_factor,
    moved,
    shrink,
    totals,
)


def settings(k, factor=10, half_life=0, init="random"):
    return Settings(k, factor, half_life, init, "kmeans++", 300, 10, 1e-4)


def fit(rows, options, seed=0, batch=500):
    rng = np.random.default_rng(seed)
    return shrink([observed(rows, options, rng, batch)], options, rng)


def observed(rows, options, rng, batch=500):
    model = WebScaleKMeans(options, rng)
    for start in range(0, len(rows), batch):
        model.observe(rows[start : start + batch])
    return model.summary()


def msd(rows, centres):
    labels, _ = assign(rows.astype(float), centres.astype(float))
    return squared_distances(rows.astype(float), centres.astype(float), labels).mean()


@pytest.fixture(scope="module")
def digits():
    return load_digits().data.astype(np.float32)


@pytest.fixture(scope="module")
def full_lloyd(digits):
    return KMeans(10, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)


@pytest.mark.parametrize("init", ["random", "kmeans++"])
def test_one_epoch_comes_close_to_full_lloyd_on_real_data(digits, full_lloyd, init):
    ratios = []
    for seed in range(5):
        rows = digits[np.random.default_rng(seed).permutation(len(digits))]
        ratios.append(msd(digits, fit(rows, settings(10, init=init), seed)) / full_lloyd)
    assert np.mean(ratios) < 1.015
    assert max(ratios) < 1.025


def test_two_hosts_are_as_good_as_one(digits, full_lloyd):
    for seed in range(5):
        rows = digits[np.random.default_rng(seed).permutation(len(digits))]
        rng = np.random.default_rng(seed)
        parts = [observed(rows[host::2], settings(10), rng) for host in range(2)]
        assert msd(digits, shrink(parts, settings(10), rng)) < 1.025 * full_lloyd


def test_data_far_from_the_origin_loses_nothing(digits, full_lloyd):
    shift = np.float32(4096)
    centres = fit(digits + shift, settings(10))
    assert msd(digits, centres - shift) < 1.03 * full_lloyd


def test_without_extra_centres_the_step_is_sculleys():
    rows = np.float32([[0], [10]])
    model = WebScaleKMeans(settings(2, factor=1), np.random.default_rng(0))
    model.observe(rows)
    model.observe(np.float32([[2], [4], [16]]))
    # (0 + 2 + 4) / 3 and (10 + 16) / 2.
    assert sorted(model.summary().points[:, 0].tolist()) == pytest.approx([2, 13])


def test_half_life_forgets_old_points():
    rows = np.float32([[0], [100]] * 8)
    later = np.float32([[8], [108]] * 8)
    found = {}
    for half_life in (0, 4):
        model = WebScaleKMeans(settings(2, factor=1, half_life=half_life), np.random.default_rng(0))
        model.observe(rows)
        model.observe(later)
        found[half_life] = sorted(model.summary().points[:, 0].tolist())
    assert found[0] == pytest.approx([4, 104])
    # 8 old points weigh 8 * 0.5 ** (16 / 4) = 0.5 against 8 new ones.
    assert found[4] == pytest.approx([8 * 8 / 8.5, 100 + 8 * 8 / 8.5], rel=1e-5)


def test_more_centres_than_rows_are_reduced():
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert fit(rows, settings(3)).shape == (3, 3)
    assert msd(rows, fit(rows, settings(7))) == pytest.approx(0, abs=1e-10)


def test_batches_smaller_than_k_are_gathered():
    rows = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    assert fit(rows, settings(20), batch=3).shape == (20, 2)


def test_too_few_distinct_rows_are_told_with_the_numbers():
    rows = np.float32([[1, 0], [2, -0.0], [1, -0.0], [2, 0]])
    with pytest.raises(TooFewRowsError, match="k is 3, but the training data has only 2 distinct rows"):
        fit(rows, settings(3))
    assert fit(rows, settings(2)).tolist() in ([[1, 0], [2, 0]], [[2, 0], [1, 0]])


def test_equal_input_gives_equal_centres(digits):
    assert np.array_equal(fit(digits, settings(5)), fit(digits, settings(5)))


def test_the_automatic_factor_falls_for_large_k():
    assert [automatic_factor(k) for k in (1, 10, 100, 1000)] == [10, 10, 5, 4]


def test_a_last_step_is_lloyds(digits):
    centres = digits[:10]
    labels, _ = assign(digits, centres)
    wanted = [digits[labels == label].mean(axis=0) for label in range(10)]
    parts = [totals(half, centres) for half in ([digits[:1000]], [digits[1000:1500], digits[1500:]])]
    sums, counts = (sum(part) for part in zip(*parts, strict=True))
    np.testing.assert_allclose(moved(centres, sums, counts), wanted, atol=1e-4)


def test_a_centre_without_rows_stays():
    centres = np.float32([[0, 0], [9, 9]])
    sums, counts = totals([np.float32([[1, 0], [0, 1]])], centres)
    assert counts.tolist() == [2, 0]
    assert moved(centres, sums, counts).tolist() == [[0.5, 0.5], [9, 9]]
