import numpy as np
import pytest
from scipy.linalg import hadamard as hadamard_matrix
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits

from wildsage.algorithms.knn.reduction import HadamardTransform, Reduction, hadamard

DIGITS = load_digits().data.astype(np.float32)[:300]
FROZEN_SIGNS = [[-1, -1, -1, -1], [-1, 1, 1, 1], [-1, -1, 1, 1], [1, 1, -1, 1]]
FROZEN_TRANSFORM = ([-1, -1, -1, -1, -1], [3, 6, 0, 4])


@pytest.mark.parametrize("size", [1, 2, 8, 64])
def test_the_fast_transform_is_the_product_with_the_matrix(size):
    columns = np.random.default_rng(0).normal(size=(size, 5)).astype(np.float32)
    np.testing.assert_allclose(hadamard(columns.copy()), hadamard_matrix(size) @ columns, atol=1e-4)


@pytest.mark.parametrize("input_dim", [2, 5, 64])
def test_fjlt_is_a_product_with_orthogonal_rows(input_dim):
    mapping = Reduction("fjlt", 3, input_dim, input_dim - 1).mapping()
    assert isinstance(mapping, HadamardTransform)
    matrix = hadamard_matrix(mapping.padded)[mapping.chosen][:, :input_dim] * mapping.signs
    rows = np.random.default_rng(0).normal(size=(9, input_dim)).astype(np.float32)
    np.testing.assert_allclose(mapping(rows), rows @ matrix.T / np.sqrt(input_dim - 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_distances_and_products_are_kept_about(kind):
    target = 32
    ratios, products = [], []
    for seed in range(20):
        reduced = Reduction(kind, seed, 64, target).mapping()(DIGITS)
        ratios.append(pdist(reduced, "sqeuclidean") / pdist(DIGITS, "sqeuclidean"))
        products.append((reduced @ reduced.T).mean() / (DIGITS @ DIGITS.T).mean())
    # The expectation is exact; the variance of a squared distance is at most 2 / t of its square.
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert np.std(ratios) < np.sqrt(2 / target)
    assert np.mean(products) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_a_seed_is_a_map(kind):
    first, again, other = (Reduction(kind, seed, 10, 4).mapping()(DIGITS[:, :10]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_maps_are_frozen():
    """A model keeps the seed only."""
    signs = Reduction("sign", 3, 4, 4).mapping()(np.eye(4, dtype=np.float32) * 2)
    assert signs.tolist() == FROZEN_SIGNS
    mapping = Reduction("fjlt", 3, 5, 4).mapping()
    assert isinstance(mapping, HadamardTransform)
    assert (mapping.signs.tolist(), mapping.chosen.tolist()) == FROZEN_TRANSFORM


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_many_rows_are_reduced_as_few(kind):
    rows = np.random.default_rng(0).normal(size=(3000, 200)).astype(np.float32)
    mapping = Reduction(kind, 0, 200, 50).mapping()
    np.testing.assert_allclose(mapping(rows)[2990:], mapping(rows[2990:]), rtol=1e-4, atol=1e-5)
