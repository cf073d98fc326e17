from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import f1_score

from wildsage.algorithms.knn.votes import accuracy, macro_f1, majority, mean, mean_squared_error


def by_counting(labels):
    votes = Counter(labels)  # in the order of their first neighbour
    return max(votes, key=votes.__getitem__)


@pytest.mark.parametrize("k", [1, 2, 3, 10, 64])
@pytest.mark.parametrize("classes", [1, 2, 5, 100])
def test_the_majority_is_what_counting_finds(k, classes):
    labels = np.random.default_rng(k).integers(0, classes, (200, k)).astype(np.float32) - 1.5
    assert majority(labels).tolist() == [by_counting(row) for row in labels.tolist()]


def test_of_two_majorities_the_nearer_counts():
    assert majority(np.float32([[3, 1, 1, 3], [1, 3, 3, 1], [2, 1, 0, 5]])).tolist() == [3, 1, 2]


def test_a_regressor_answers_the_mean():
    assert mean(np.float32([[1, 2, 6], [1e9, 1e9 + 64, 1e9 + 128]])).tolist() == [3, 1e9 + 64]


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 300).astype(np.float32)
    guess = np.where(rng.random(300) < 0.6, true, rng.integers(0, 5, 300)).astype(np.float32)
    assert accuracy(guess, true) == pytest.approx((guess == true).mean())
    assert macro_f1(guess, true) == pytest.approx(f1_score(true, guess, average="macro", zero_division=0))
    assert mean_squared_error(guess, true) == pytest.approx(((guess - true) ** 2).mean())


def test_a_class_that_is_never_right_scores_nothing():
    assert macro_f1(np.float32([1, 1]), np.float32([1, 7])) == pytest.approx((2 / 3 + 0) / 2)
