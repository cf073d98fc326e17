import numpy as np
import pytest
from sklearn import metrics

from wildsage.algorithms.xgboost.custom_metrics import evaluate

EXPECTED = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": lambda t, p: metrics.f1_score(t, p, average="macro"),
    "f1_macro": lambda t, p: metrics.f1_score(t, p, average="macro"),
    "precision": lambda t, p: metrics.precision_score(t, p, average="macro", zero_division=0),
    "precision_macro": lambda t, p: metrics.precision_score(t, p, average="macro", zero_division=0),
    "precision_micro": lambda t, p: metrics.precision_score(t, p, average="micro"),
    "recall": lambda t, p: metrics.recall_score(t, p, average="macro", zero_division=0),
    "recall_macro": lambda t, p: metrics.recall_score(t, p, average="macro", zero_division=0),
    "recall_micro": lambda t, p: metrics.recall_score(t, p, average="micro"),
}


@pytest.mark.parametrize("seed", range(4))
def test_class_metrics_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 60)
    # Class 3 is rare in the truth, so that some ratios have no denominator.
    truth = rng.integers(0, 3 + (seed % 2), 60)
    found = dict(evaluate(list(EXPECTED), probabilities, truth))
    for name, expected in EXPECTED.items():
        if name == "balanced_accuracy" and not set(probabilities.argmax(axis=1)) <= set(truth):
            continue  # scikit-learn warns there
        assert found[name] == pytest.approx(expected(truth, probabilities.argmax(axis=1))), name


def test_binary_and_regression_metrics_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    scores, truth = rng.random(80), rng.integers(0, 2, 80)
    (_, f1), (_, mse), (_, r2) = evaluate(["f1_binary", "mse", "r2"], scores, truth)
    assert f1 == pytest.approx(metrics.f1_score(truth, scores > 0.5))
    assert mse == pytest.approx(metrics.mean_squared_error(truth, scores))
    assert r2 == pytest.approx(metrics.r2_score(truth, scores))


def test_classes_as_predictions():
    assert evaluate(["accuracy"], np.array([0, 1, 2, 2.0]), np.array([0, 1, 2, 0])) == [("accuracy", 0.75)]
