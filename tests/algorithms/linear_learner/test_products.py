import numpy as np
import pytest

from wildsage.algorithms.linear_learner.products import column_sums, spread, times, transposed_times
from wildsage.formats.sparse import from_dense


@pytest.fixture
def matrix():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(30, 12)) * (rng.random((30, 12)) < 0.2)
    dense[4] = 0
    dense[:, 7] = 0
    return dense.astype(np.float32)


@pytest.mark.parametrize("large", [0, 1 << 60], ids=["by scipy", "without scipy"])
def test_products_of_sparse_rows_are_those_of_dense_ones(matrix, large, monkeypatch):
    monkeypatch.setattr("wildsage.algorithms.linear_learner.products._LARGE", large)
    rng = np.random.default_rng(1)
    weights, slopes = rng.normal(size=(12, 3)).astype("f4"), rng.normal(size=(30, 3)).astype("f4")
    sparse = from_dense(matrix)
    for found, expected in (
        (times(sparse, weights), matrix @ weights),
        (transposed_times(sparse, slopes), matrix.T @ slopes),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("power", [1, 2])
def test_sums_of_columns_count_what_is_not_given(matrix, power):
    shift = np.arange(12, dtype=np.float64)
    expected = ((matrix.astype(np.float64) - shift) ** power).sum(axis=0)
    np.testing.assert_allclose(column_sums(matrix, shift, power), expected, rtol=1e-9)
    np.testing.assert_allclose(column_sums(from_dense(matrix), shift, power), expected, rtol=1e-9)


def test_rows_are_spread_where_that_is_faster(matrix):
    assert isinstance(spread(from_dense(matrix)), np.ndarray)
    wide = np.zeros((30, 10_000), np.float32)
    wide[:, 3] = 1
    assert not isinstance(spread(from_dense(wide)), np.ndarray)
