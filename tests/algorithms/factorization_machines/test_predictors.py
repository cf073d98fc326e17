import numpy as np
import pytest
from sklearn import metrics

from wildsage.algorithms.factorization_machines.predictors import PREDICTORS, probabilities

SCORES = np.random.default_rng(0).normal(0, 2, 50).astype(np.float32)
CLASSES = (np.random.default_rng(1).random(50) < 0.4).astype(np.float32)
NUMBERS = np.random.default_rng(2).normal(size=50).astype(np.float32)


def measured(kind, labels):
    predictor = PREDICTORS[kind]
    halves = [predictor.tally(SCORES[part], labels[part]) for part in (slice(20), slice(20, None))]
    return {one.name: one.value for one in predictor.measures(halves[0] + halves[1])}


def test_measures_of_regression_are_those_of_scikit_learn():
    assert measured("regressor", NUMBERS) == pytest.approx(
        {
            "rmse": metrics.root_mean_squared_error(NUMBERS, SCORES),
            "mse": metrics.mean_squared_error(NUMBERS, SCORES),
            "absolute_loss": metrics.mean_absolute_error(NUMBERS, SCORES),
        }
    )


def test_measures_of_classification_are_those_of_scikit_learn():
    likely = probabilities(SCORES)
    assert measured("binary_classifier", CLASSES) == pytest.approx(
        {
            "binary_classification_accuracy": metrics.accuracy_score(CLASSES, likely >= 0.5),
            "binary_classification_cross_entropy": metrics.log_loss(CLASSES, likely),
            "binary_f_1.000": metrics.f1_score(CLASSES, likely >= 0.5),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize(("kind", "labels"), [("regressor", NUMBERS), ("binary_classifier", CLASSES)])
def test_slopes_are_those_of_the_loss(kind, labels):
    predictor = PREDICTORS[kind]
    factor = 0.5 if kind == "regressor" else 1.0  # the loss is half of the squared error
    for row in range(5):
        ends = [
            factor * predictor.tally(SCORES[row : row + 1] + np.float32(step), labels[row : row + 1])[1]
            for step in (-0.01, 0.01)
        ]
        slope = predictor.slopes(SCORES[row : row + 1], labels[row : row + 1])[0]
        assert slope == pytest.approx((ends[1] - ends[0]) / 0.02, abs=1e-3)


def test_the_best_constant():
    assert PREDICTORS["regressor"].best_constant(3.5) == 3.5
    assert probabilities(np.float32([PREDICTORS["binary_classifier"].best_constant(0.2)])) == pytest.approx(
        0.2
    )
    assert np.isfinite(PREDICTORS["binary_classifier"].best_constant(1.0))


def test_far_scores_are_no_trouble():
    far = np.float32([-1e4, 1e4])
    assert probabilities(far).tolist() == [0, 1]
    assert PREDICTORS["binary_classifier"].tally(far, np.float32([1, 0]))[1] == pytest.approx(2e4)
