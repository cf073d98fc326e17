import numpy as np
import pytest
from sklearn.datasets import load_digits

from wildsage.algorithms.knn.flat import FlatIndex
from wildsage.algorithms.knn.index_files import write_faiss
from wildsage.algorithms.knn.inverted import InvertedIndex, build
from wildsage.formats import extras
from wildsage.toolkit.errors import AlgorithmError, UserError

ROWS = load_digits().data.astype(np.float32)
UNIT = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)


def recall(index, rows, k=10):
    metric = index.metric
    found, wanted = (each.search(rows[:300], k)[1] for each in (index, FlatIndex(rows, metric)))
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), wanted.tolist(), strict=True)])


@pytest.mark.parametrize(("metric", "rows"), [("L2", ROWS), ("INNER_PRODUCT", UNIT)])
def test_lists_hold_most_of_the_nearest(metric, rows):
    index = InvertedIndex(build(rows, metric, None, None))
    assert (index.count, index.dimension, index.metric) == (1797, 64, metric)
    assert recall(index, rows) > 0.97


def test_compressed_rows_lose_some_of_the_nearest():
    rows = ROWS[:600]
    shares = [recall(InvertedIndex(build(rows, "L2", 8, parts)), rows) for parts in (2, 8)]
    assert 0.5 < shares[0] < shares[1] < 1


def test_distances_are_euclidean_and_ascend():
    distances, found = InvertedIndex(build(ROWS, "L2", 10, None)).search(ROWS[:50] + 1, 5)
    wanted = np.linalg.norm(ROWS[found] - (ROWS[:50] + 1)[:, np.newaxis], axis=2)
    np.testing.assert_allclose(distances, wanted, rtol=1e-5)
    assert (np.diff(distances) >= 0).all()


def test_where_the_nearest_lists_hold_too_few_all_are_searched():
    rows = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    index = InvertedIndex(build(rows, "L2", 4, None), nprobe=1)
    distances, found = index.search(rows[:1], 20)
    assert sorted(found[0].tolist()) == list(range(20))
    assert distances[0].tolist() == [0] * 5 + [np.float32(np.sqrt(2))] * 15


def test_more_lists_find_more():
    shares = [recall(InvertedIndex(build(ROWS, "L2", 40, None), nprobe), ROWS) for nprobe in (1, 4, 40, 1000)]
    assert shares == sorted(shares)
    assert shares[0] < 0.9
    assert shares[3] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("parts", [None, 4])
def test_equal_rows_give_an_equal_file(tmp_path, parts):
    for name in ("a", "b"):
        write_faiss(tmp_path / name, build(ROWS[:400], "L2", None, parts))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("count", "lists", "parts", "reason"),
    [
        (10, 11, None, "faiss_index_ivf_nlists is 11, but the sample has only 10 rows"),
        (255, None, 4, "needs at least 256 rows, but the sample has 255"),
    ],
)
def test_too_few_rows_are_refused(count, lists, parts, reason):
    with pytest.raises(UserError, match=reason):
        build(ROWS[:count], "L2", lists, parts)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(extras, "installed", lambda library: False)
    with pytest.raises(
        AlgorithmError, match=r"faiss.IVFPQ needs the library faiss: pip install 'wildsage\[knn\]'"
    ):
        build(ROWS, "L2", None, 8)
