import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.neighbors import NearestNeighbors

from wildsage.algorithms.knn.flat import FlatIndex
from wildsage.formats import extras

DIGITS = load_digits().data.astype(np.float32)
CANCER = load_breast_cancer().data.astype(np.float32)
DENSE = np.random.default_rng(0).random((20_000, 2)).astype(np.float32)


@pytest.fixture(params=["faiss", "numpy"], autouse=True)
def library(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(extras, "installed", lambda library: False)


def exact(rows, queries, k):
    """Distances to the nearest, in float64, each by itself."""
    parts = [np.sort(((rows.astype(float) - query) ** 2).sum(axis=1))[:k] for query in queries.astype(float)]
    return np.sqrt(np.array(parts))


@pytest.mark.parametrize(
    ("rows", "queries"),
    [
        pytest.param(DIGITS[200:], DIGITS[:200], id="digits"),
        pytest.param(CANCER[69:], CANCER[:69], id="breast cancer"),
        pytest.param(DENSE[200:], DENSE[:200], id="many rows, few columns"),
        pytest.param(DENSE[200:] + 1000, DENSE[:200] + 1000, id="far from the origin"),
        pytest.param(DIGITS, DIGITS[:50], id="itself"),
    ],
)
@pytest.mark.parametrize("k", [1, 10])
def test_the_nearest_are_found(rows, queries, k):
    distances, found = FlatIndex(rows, "L2").search(queries, k)
    wanted = exact(rows, queries, k)
    np.testing.assert_allclose(distances, wanted, rtol=2e-5, atol=1e-6)
    named = np.linalg.norm(rows[found].astype(float) - queries[:, np.newaxis], axis=2)
    np.testing.assert_allclose(named, wanted, rtol=2e-5, atol=1e-6)


def test_it_finds_what_scikit_learn_finds():
    peer = NearestNeighbors(n_neighbors=7).fit(CANCER[:400])
    distances, found = FlatIndex(CANCER[:400], "L2").search(CANCER[400:], 7)
    wanted, named = peer.kneighbors(CANCER[400:])
    np.testing.assert_array_equal(found, named)
    np.testing.assert_allclose(distances, wanted, rtol=1e-5)


def test_inner_products_are_found_the_largest_first():
    products, found = FlatIndex(DIGITS[200:], "INNER_PRODUCT").search(DIGITS[:200], 5)
    wanted = np.sort(DIGITS[:200].astype(float) @ DIGITS[200:].T.astype(float), axis=1)[:, :-6:-1]
    np.testing.assert_allclose(products, wanted, rtol=1e-6)
    np.testing.assert_allclose((DIGITS[200:][found] * DIGITS[:200, None]).sum(axis=2), wanted, rtol=1e-6)


def test_of_equal_rows_the_first_come_first():
    distances, found = FlatIndex(np.ones((9, 3), np.float32), "L2").search(np.ones((30, 3), np.float32), 3)
    assert found.tolist() == [[0, 1, 2]] * 30
    assert not distances.any()


def test_all_rows_can_be_asked_for():
    distances, found = FlatIndex(np.float32([[0], [4], [1]]), "L2").search(np.float32([[1]]), 3)
    assert found.tolist() == [[2, 0, 1]]
    assert distances.tolist() == [[0, 1, 3]]


def test_an_answer_does_not_depend_on_the_other_queries():
    index = FlatIndex(CANCER, "L2")
    together = index.search(CANCER + 1, 5)
    for number in (0, 300, 568):
        alone = index.search(CANCER[number : number + 1] + 1, 5)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[number])


@pytest.mark.parametrize("metric", ["L2", "INNER_PRODUCT"])
def test_rows_in_any_layout_of_memory(metric):
    rows, queries = CANCER[69:], CANCER[:69]
    wanted = FlatIndex(rows, metric).search(queries, 3)
    found = FlatIndex(np.asfortranarray(rows), metric).search(np.asfortranarray(queries), 3)
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
