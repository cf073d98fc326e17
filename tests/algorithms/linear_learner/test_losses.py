"""Each loss against the definition, and its slope against differences of the loss."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from wildsage.algorithms.linear_learner.losses import loss_of
from wildsage.algorithms.linear_learner.parameters import LOSSES

PARAMETERS = {
    "margin": 0.7,
    "num_classes": 4,
    "loss_insensitivity": 0.2,
    "quantile": 0.3,
    "huber_delta": 0.6,
}
NAMES = [name for names in LOSSES.values() for name in names]


def sample(name, rows=50, models=3):
    """Scores and labels away from the kinks of the losses."""
    rng = np.random.default_rng(0)
    width = models * (4 if name == "softmax_loss" else 1)
    scores = rng.normal(0, 2, (rows, width)).round(1) + 0.05
    labels = rng.integers(0, 4 if name == "softmax_loss" else 2, (rows, 1))
    return scores.astype(np.float32), labels.astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_the_slope_is_the_derivative(name):
    scores, labels = sample(name)
    loss = loss_of(name, PARAMETERS)
    losses, slopes = loss.evaluate(scores, labels)
    assert losses.shape == (50, 3)
    assert slopes.shape == scores.shape
    for column in range(scores.shape[1]):
        moved = [scores.copy(), scores.copy()]
        for sign, each in zip((1, -1), moved, strict=True):
            each[:, column] += sign * 0.01
        up, down = (loss.evaluate(each, labels)[0].sum(axis=1) for each in moved)
        np.testing.assert_allclose((up - down) / 0.02, slopes[:, column], atol=2e-3)


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("squared_loss", 3, 9),
        ("absolute_loss", -3, 3),
        ("eps_insensitive_squared_loss", 0.1, 0),
        ("eps_insensitive_squared_loss", 2.2, 4),
        ("eps_insensitive_absolute_loss", -0.1, 0),
        ("eps_insensitive_absolute_loss", -2.2, 2),
        ("quantile_loss", -2, 0.6),
        ("quantile_loss", 2, 1.4),
        ("huber_loss", 0.5, 0.125),
        ("huber_loss", -2, 0.6 * 2 - 0.18),
    ],
)
def test_losses_of_errors(name, error, expected):
    scores, labels = np.float32([[5 + error]]), np.float32([[5]])
    assert loss_of(name, PARAMETERS).evaluate(scores, labels)[0][0, 0] == pytest.approx(expected, rel=1e-5)


def test_logistic_is_the_cross_entropy_and_does_not_overflow():
    scores, labels = sample("logistic")
    losses, _ = loss_of("logistic", PARAMETERS).evaluate(scores, labels)
    chances = 1 / (1 + np.exp(-scores[:, 0].astype(np.float64)))
    assert losses[:, 0].mean() == pytest.approx(log_loss(labels[:, 0], chances), rel=1e-5)
    losses, slopes = loss_of("logistic", PARAMETERS).evaluate(np.float32([[1e4, -1e4]]), np.float32([[1]]))
    assert losses.tolist() == [[0, 1e4]]
    assert slopes.tolist() == [[0, -1]]


def test_softmax_is_the_cross_entropy_of_each_model():
    scores, labels = sample("softmax_loss")
    losses, _ = loss_of("softmax_loss", PARAMETERS).evaluate(scores, labels)
    for model in range(3):
        own = np.exp(scores[:, 4 * model : 4 * model + 4].astype(np.float64))
        expected = log_loss(labels[:, 0], own / own.sum(axis=1, keepdims=True))
        assert losses[:, model].mean() == pytest.approx(expected, rel=1e-5)


def test_hinge_counts_what_is_short_of_the_margin():
    losses, slopes = loss_of("hinge_loss", PARAMETERS).evaluate(
        np.float32([[0.5, 2], [0.5, -2]]), np.float32([[1], [0]])
    )
    np.testing.assert_allclose(losses, [[0.2, 0], [1.2, 0]], rtol=1e-5)
    assert slopes.tolist() == [[-1, 0], [1, 0]]
