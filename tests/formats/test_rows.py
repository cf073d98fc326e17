import numpy as np
import pytest

from wildsage.formats.errors import FormatError, NotFiniteError
from wildsage.formats.rows import Rows, finite, join, take
from wildsage.formats.sparse import SparseRows, from_dense


def dense(matrix, labels=0, **more):
    matrix = np.float32(matrix)
    return Rows(matrix, np.zeros((len(matrix), labels), np.float32), **more)


def test_parts_are_joined():
    whole = join([dense([[1, 2]]), dense([[3, 4], [5, 6]])], "x")
    assert whole.features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (len(whole), whole.width) == (3, 2)
    sparse = [Rows(from_dense(np.float32(m)), np.zeros((1, 0), np.float32)) for m in ([[0, 1]], [[0, 0, 2]])]
    assert join(sparse, "x").features.dense().tolist() == [[0, 1, 0], [0, 0, 2]]
    weighted = [dense([[1]], weights=np.float32([w]), groups=np.int64([g])) for w, g in ((0.5, 7), (2, 8))]
    assert join(weighted, "x").weights.tolist() == [0.5, 2]
    assert join(weighted, "x").groups.tolist() == [7, 8]
    assert join([], "x").width == 0


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            dense([[1, 2, 3]]),
            "x, row 3: dense, 3 features, 0 labels; the rows before: dense, 2 features, 0 labels",
        ),
        (dense([[1, 2]], labels=1), "1 labels; the rows before"),
        (dense([[1, 2]], weights=np.float32([1])), "a weight; the rows before"),
        (Rows(from_dense(np.float32([[1, 2]])), np.zeros((1, 0), np.float32)), "sparse, 2 features"),
    ],
)
def test_parts_of_different_kinds_are_not_joined(second, message):
    with pytest.raises(FormatError, match=message):
        join([dense([[1, 2], [3, 4]]), second], "x")


def test_large_numbers_are_finite_though_their_sum_is_not():
    part = dense(np.full((4, 3), 3e38))
    assert list(finite([part], "x")) == [part]


@pytest.mark.parametrize(
    ("part", "kind", "message"),
    [
        (dense([[1, 2], [3, np.nan]]), "missing (NaN)", "x, row 4: feature 2 is nan; only finite numbers"),
        (dense([[1, np.inf]]), "infinite", "row 3: feature 2 is inf"),
        (Rows(np.float32([[1]]), np.float32([[-np.inf]])), "infinite", "row 3: label 1 is -inf"),
        (dense([[1]], weights=np.float32([np.nan])), "missing (NaN)", "row 3: weight is nan"),
        (
            Rows(
                SparseRows(np.int64([0, 0, 2]), np.int64([3, 5]), np.float32([1, np.nan]), 9),
                np.zeros((2, 0), "f4"),
            ),
            "missing (NaN)",
            "row 4: feature 6 is nan",
        ),
    ],
)
def test_numbers_that_are_not_finite_are_named(part, kind, message):
    good = dense([[1, 2], [3e38, 3e38]])
    passed = finite([good, part], "x")
    assert next(passed) is good
    with pytest.raises(NotFiniteError, match=message) as caught:
        list(passed)
    assert caught.value.kind == kind


@pytest.mark.parametrize("chosen", [slice(1, 3), slice(0, 0), np.int64([2, 0, 2]), np.int64([])])
def test_rows_are_taken_in_the_order_given(chosen):
    matrix = np.float32([[1, 0, 2], [0, 0, 0], [0, 3, 0]])
    labels = np.float32([[7], [8], [9]])
    rows = Rows(from_dense(matrix), labels, weights=np.float32([1, 2, 3]), groups=np.int64([4, 5, 6]))
    taken = take(rows, chosen)
    assert taken.features.dense().tolist() == matrix[chosen].tolist()
    assert taken.labels.tolist() == labels[chosen].tolist()
    assert (taken.weights.tolist(), taken.groups.tolist()) == (
        rows.weights[chosen].tolist(),
        rows.groups[chosen].tolist(),
    )
    assert take(dense(matrix), chosen).features.tolist() == matrix[chosen].tolist()


def test_where_values_may_be_missing_only_infinite_ones_are_refused():
    part = Rows(np.float32([[np.nan, 1]]), np.float32([[np.inf]]))  # labels are the algorithm's
    assert list(finite([part], "x", missing=True)) == [part]
    with pytest.raises(NotFiniteError, match="x, row 2: feature 2 is inf"):
        list(finite([part, dense([[np.nan, np.inf]])], "x", missing=True))
