import math

import numpy as np
import pytest

from wildsage.formats.rows import Rows
from wildsage.formats.sparse import from_dense
from wildsage.toolkit.magnitudes import TooLargeError, bounded


def rows_of(features, labels=0.0):
    features = np.float32(features)
    return Rows(features, np.full((len(features), 1), labels, np.float32))


def test_numbers_up_to_the_bound_pass():
    # Their sum of squares is beyond the bound's, which only means that each is looked at.
    parts = [rows_of([[1e16, -1e16], [1e16, 0]]), rows_of([[1, 2]])]
    assert list(bounded(parts, "train/a.csv", 1e16)) == parts
    assert list(bounded([rows_of([[3e38]])], "train/a.csv", math.inf))


@pytest.mark.parametrize("bound", [1e16, 1e30])
def test_a_larger_feature_is_told_with_its_place(bound):
    wide = [[1, 0], [0, 2 * bound]]
    for odd in (rows_of(wide), Rows(from_dense(np.float32(wide)), np.zeros((2, 1), np.float32))):
        with pytest.raises(TooLargeError) as caught:
            list(bounded([rows_of([[1, 2]] * 3), odd], "train/a.csv", bound))
        assert str(caught.value) == (
            f"train/a.csv, row 5: feature 2 is {2 * bound:g}; numbers from {-bound:g} to {bound:g} are taken: scale them"
        )


def test_a_larger_label_is_told_whatever_features_may_be():
    with pytest.raises(TooLargeError, match=r"row 1: label 1 is -3e\+38; numbers from -1e\+18 to 1e\+18"):
        list(bounded([rows_of([[1]], -3e38)], "train/a.csv", math.inf))


def test_a_missing_label_is_not_large():
    assert list(bounded([rows_of([[1]], math.nan)], "train/a.csv", math.inf))
