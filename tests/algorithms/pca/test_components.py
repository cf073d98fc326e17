import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.utils.extmath import randomized_svd

from wildsage.algorithms.pca.components import (
    Components,
    Moments,
    components_from,
    components_of,
    first_basis,
    lost,
    orthonormal,
)


def moments_of(rows, basis=None, batch=500):
    moments = Moments(rows.shape[1], basis)
    for start in range(0, len(rows), batch):
        moments.observe(rows[start : start + batch])
    return moments


def exact(rows, k, *, centred=True):
    moments = moments_of(rows)
    mean = moments.mean if centred else np.zeros(rows.shape[1])
    return components_of(moments.scatter(mean), mean, k)


def randomized(rows, k, size, *, centred=True, passes=3):
    basis = first_basis(rows.shape[1], size, np.random.default_rng(0))
    for number in range(passes):
        basis = orthonormal(products) if number else basis  # noqa: F821 - of the pass before
        moments = moments_of(rows, basis)
        mean = moments.mean if centred else np.zeros(rows.shape[1])
        products = moments.scatter(mean)
    return components_from(products, basis, mean, k)


def largest_angle(first, second):
    """Of the spaces that two orthonormal bases (d, k) span, by sines: cosines near 1 have no digits left."""
    return np.arcsin(np.linalg.svd(second - first @ (first.T @ second))[1][0].clip(0, 1))


@pytest.fixture(scope="module", params=["digits", "breast_cancer", "far"])
def rows(request):
    if request.param == "breast_cancer":
        return load_breast_cancer().data.astype(np.float32)
    digits = load_digits().data.astype(np.float32)
    return digits + np.float32(1000) if request.param == "far" else digits


@pytest.mark.parametrize("k", [1, 3, 10])
def test_regular_mode_finds_the_space_of_the_full_decomposition(rows, k):
    peer = PCA(k, svd_solver="full").fit(rows.astype(np.float64))
    model = exact(rows, k)
    assert largest_angle(peer.components_.T, model.directions) < 1e-6
    np.testing.assert_allclose(model.singular_values[::-1], peer.singular_values_, rtol=1e-6)
    np.testing.assert_allclose(model.mean, peer.mean_, rtol=1e-6, atol=1e-6)


def test_without_the_mean_it_is_the_singular_value_decomposition():
    rows = load_digits().data.astype(np.float32)
    _, values, vectors = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    model = exact(rows, 5, centred=False)
    assert model.mean.tolist() == [0] * 64
    assert largest_angle(vectors[:5].T, model.directions) < 1e-4
    np.testing.assert_allclose(model.singular_values[::-1], values[:5], rtol=1e-5)


@pytest.mark.parametrize(("passes", "factor"), [(1, 1.1), (3, 1.001)])
@pytest.mark.parametrize("centred", [True, False])
def test_randomized_mode_loses_no_more_than_a_randomized_decomposition(rows, passes, factor, centred):
    k = 10
    mean = rows.mean(axis=0, dtype=np.float64) if centred else np.zeros(rows.shape[1])
    _, _, vectors = randomized_svd(rows - mean, k, n_oversamples=10, random_state=0)
    model = randomized(rows, k, k + 10, centred=centred, passes=passes)
    np.testing.assert_allclose(model.mean, mean, rtol=1e-9, atol=1e-9)
    peer = lost(iter([rows]), Components(mean, vectors.T, np.zeros(k)))
    assert lost(iter([rows]), model) <= factor * peer


def test_hosts_put_their_parts_together(rows):
    basis = first_basis(rows.shape[1], 20, np.random.default_rng(0))
    parts = [moments_of(rows[host::3]) for host in range(3)]
    mean = sum(part.count * part.mean for part in parts) / len(rows)
    whole = moments_of(rows)
    together = sum(part.scatter(mean) for part in parts)
    np.testing.assert_allclose(together, whole.scatter(whole.mean), rtol=1e-9, atol=1e-6 * together.max())
    products = sum(moments_of(rows[host::3], basis).scatter(mean) for host in range(3))
    np.testing.assert_allclose(products, together @ basis, rtol=1e-6, atol=1e-9 * together.max())


def test_fewer_rows_than_components():
    rows = np.float32([[1, 0, 0, 0], [3, 0, 0, 0]])
    for model in (exact(rows, 3), randomized(rows, 3, 13)):
        np.testing.assert_allclose(model.directions.T @ model.directions, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(model.directions[:, -1], [1, 0, 0, 0], atol=1e-12)
        np.testing.assert_allclose(model.singular_values, [0, 0, np.sqrt(2)], atol=1e-7)


def test_equal_rows_have_no_directions_of_their_own():
    rows = np.ones((5, 4), np.float32)
    for model in (exact(rows, 2), randomized(rows, 2, 4)):
        assert np.isfinite(model.directions).all()
        np.testing.assert_allclose(model.singular_values, 0, atol=1e-7)


def test_what_is_lost():
    rows = np.float32([[1, 2], [3, -2]])
    model = Components(np.float64([2, 0]), np.float64([[1], [0]]), np.zeros(1))
    assert lost(iter([rows]), model) == pytest.approx(4)
