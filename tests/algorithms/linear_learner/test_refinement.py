"""Passes over all rows at once beside closed forms, and the penalties that rows ask for."""

import numpy as np
import pytest

from wildsage.algorithms.linear_learner import SPEC
from wildsage.algorithms.linear_learner.candidates import Candidate
from wildsage.algorithms.linear_learner.cross_validation import CrossValidation
from wildsage.algorithms.linear_learner.data import RowWeights
from wildsage.algorithms.linear_learner.losses import loss_of
from wildsage.algorithms.linear_learner.models import LinearModels, settings_of
from wildsage.algorithms.linear_learner.optimizers import Descent
from wildsage.algorithms.linear_learner.refinement import Refinement
from wildsage.algorithms.linear_learner.scaling import Scaling
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective

REGRESSOR = SPEC.validate({"predictor_type": "regressor"})
BINARY = SPEC.validate({"predictor_type": "binary_classifier"})


def unscaled(width):
    return Scaling(np.zeros(width, np.float32), np.ones(width, np.float32), np.zeros(width, np.bool_))


def models_of(penalties, width, name="squared_loss", parameters=REGRESSOR):
    settings = settings_of([Candidate(1.0, wd, 0.0) for wd in penalties], 1, parameters)
    first = np.zeros((width + 1, len(penalties)), np.float32)
    loss = loss_of(name, parameters)
    return LinearModels(first, len(penalties), settings, loss, unscaled(width), Descent(0.0))


def ridge(rows, labels, weights, wd):
    """Minimize the mean of w (x v + b - y)² plus wd / 2 times the sum of v²."""
    extended = np.column_stack([rows, np.ones(len(rows))]).astype(np.float64)
    weighed = extended * (2 * weights / len(rows))[:, np.newaxis]
    penalty = np.diag([wd] * rows.shape[1] + [0.0])
    return np.linalg.solve(weighed.T @ extended + penalty, weighed.T @ labels)


def test_each_model_comes_to_its_own_ridge_regression():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(300, 6)) * 10.0 ** np.arange(-1, 2, 0.5)).astype(np.float32)
    labels = (rows @ rng.normal(size=6) + rng.normal(size=300) + 3).astype(np.float32)
    weights = rng.integers(0, 3, (300, 3)).astype(np.float32)
    penalties = (0.01, 1.0, 100.0)
    models = models_of(penalties, 6)
    batches = [
        (Rows(rows[part], labels[part, np.newaxis]), weights[part])
        for part in (slice(0, 200), slice(200, 300))
    ]
    refinement = Refinement(models, lambda: batches, 300, unscaled(6), Collective())
    place, passes = refinement.run(models.parameters, 100)
    assert passes < 100
    for number, wd in enumerate(penalties):
        exact = ridge(rows, labels, weights[:, number], wd)
        errors = np.square(rows @ exact[:-1] + exact[-1] - labels) * weights[:, number]
        least = errors.mean() + wd / 2 * np.square(exact[:-1]).sum()
        assert place.objectives[number] == pytest.approx(least, rel=1e-4)


def test_what_is_asked_for_is_not_exceeded():
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    batch = Rows(rows, rows[:, :1])
    models = models_of([0.0], 4)
    refinement = Refinement(models, lambda: [(batch, None)], 50, unscaled(4), Collective())
    place, passes = refinement.run(models.parameters, 1)
    assert passes == 1
    np.testing.assert_array_equal(place.parameters, models.parameters)


def precision_of(rows, labels, parameters=REGRESSOR, loss="squared_loss"):
    width = rows.shape[1]
    sample = [Rows(rows[:70], labels[:70]), Rows(rows[70:], labels[70:])]
    comparison = CrossValidation(
        parameters, loss_of(loss, parameters), unscaled(width), sample, RowWeights(), Collective()
    )
    return comparison.precision(1.0, 1)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(200, 30)).astype(np.float32)


def test_rows_that_say_nothing_ask_for_a_large_penalty(rows):
    labels = np.random.default_rng(1).normal(size=(200, 1)).astype(np.float32)
    assert precision_of(rows, labels) >= 16


def test_rows_without_noise_ask_for_a_small_penalty(rows):
    labels = (rows @ np.linspace(-3, 3, 30)).astype(np.float32)[:, np.newaxis]
    assert precision_of(rows, labels) == pytest.approx(1 / 256)


def test_the_usual_penalty_stays_where_others_are_no_better(rows):
    few = rows[:, :1]
    labels = few + np.random.default_rng(1).normal(size=(200, 1)).astype(np.float32)
    assert precision_of(few, labels) == 1


@pytest.mark.parametrize(("count", "loss"), [(30, "logistic"), (200, "hinge_loss")])
def test_nothing_is_looked_for_in_few_rows_or_without_a_gradient(rows, count, loss):
    labels = (rows[:, :1] > 0).astype(np.float32)
    assert precision_of(rows[:count], labels[:count], BINARY, loss) is None
