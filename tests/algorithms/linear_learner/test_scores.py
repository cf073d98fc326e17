"""Every number of the log against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from wildsage.algorithms.linear_learner.model import LinearModel
from wildsage.algorithms.linear_learner.scores import tally_of
from wildsage.toolkit.collective import Collective


def logged(parameters, model, scores, labels):
    tally = tally_of(parameters, model)
    for start in range(0, len(labels), 40):
        tally.observe(scores[start : start + 40], labels[start : start + 40])
    return {score.name: score.value for score in tally.result(Collective())}


def test_binary():
    rng = np.random.default_rng(0)
    labels = (rng.random(100) < 0.4).astype(np.float32)
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0.01, 0.99).astype(np.float32)[:, np.newaxis]
    model = LinearModel(np.zeros((1, 1), np.float32), np.zeros(1, np.float32), "logistic", 0.45)
    found = scores[:, 0] >= 0.45
    expected = {
        "binary_classification_accuracy": metrics.accuracy_score(labels, found),
        "binary_f_2.000": metrics.fbeta_score(labels, found, beta=2),
        "precision": metrics.precision_score(labels, found),
        "recall": metrics.recall_score(labels, found),
        "roc_auc_score": metrics.roc_auc_score(labels, scores[:, 0]),
        "binary_balanced_accuracy": metrics.balanced_accuracy_score(labels, found),
        "binary_log_loss": metrics.log_loss(labels, scores[:, 0]),
    }
    parameters = {"predictor_type": "binary_classifier", "f_beta": 2.0}
    assert logged(parameters, model, scores, labels) == pytest.approx(expected, rel=1e-5)


def test_multiclass():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 100).astype(np.float32)  # the fifth class has no rows
    scores = rng.dirichlet(np.ones(5), 100).astype(np.float32)
    model = LinearModel(np.zeros((1, 5), np.float32), np.zeros(5, np.float32), "softmax")
    found = scores.argmax(axis=1)
    gains = np.eye(5)[labels.astype(int)]
    expected = {
        "multiclass_accuracy": metrics.accuracy_score(labels, found),
        "multiclass_top_k_accuracy_2": metrics.top_k_accuracy_score(labels, scores, k=2, labels=range(5)),
        "dcg": metrics.dcg_score(gains, scores),
        "macro_recall": metrics.recall_score(labels, found, average="macro", zero_division=0),
        "macro_precision": metrics.precision_score(labels, found, average="macro", zero_division=0),
        "macro_f_1.000": metrics.f1_score(labels, found, average="macro", zero_division=0),
        "multiclass_balanced_accuracy": np.mean([np.mean(found[labels == c] == c) for c in range(4)]),
        "multiclass_log_loss": metrics.log_loss(labels, scores, labels=range(5)),
    }
    parameters = {"predictor_type": "multiclass_classifier", "f_beta": 1.0, "accuracy_top_k": 2}
    assert logged(parameters, model, scores, labels) == pytest.approx(expected, rel=1e-5)


def test_regression():
    rng = np.random.default_rng(0)
    labels = rng.normal(50, 9, 100).astype(np.float32)
    scores = (labels + rng.normal(0, 2, 100)).astype(np.float32)[:, np.newaxis]
    model = LinearModel(np.zeros((1, 1), np.float32), np.zeros(1, np.float32), "identity")
    expected = {
        "mse": metrics.mean_squared_error(labels, scores[:, 0]),
        "rmse": metrics.root_mean_squared_error(labels, scores[:, 0]),
        "absolute_loss": metrics.mean_absolute_error(labels, scores[:, 0]),
    }
    found = logged({"predictor_type": "regressor"}, model, scores, labels)
    assert found == pytest.approx(expected, rel=1e-5)
