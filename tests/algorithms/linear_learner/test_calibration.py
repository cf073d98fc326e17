"""Thresholds against all that could be chosen, one by one."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from wildsage.algorithms.linear_learner.calibration import Calibrator, Cuts


def sample(seed, rows=60):
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.float32)
    # Rounded, so that rows share scores.
    return (rng.normal(labels, 1)).round(1).astype(np.float32), labels


def measured(criterion, labels, found, beta=2.0, target=0.6):
    hits, alarms, misses = (
        (found & (labels == 1)).sum(),
        (found & (labels == 0)).sum(),
        (labels[~found]).sum(),
    )
    precision, recall = hits / max(hits + alarms, 1), hits / (hits + misses)
    if criterion == "accuracy":
        return np.mean(found == labels)
    if criterion == "f_beta":
        return (1 + beta**2) * hits / ((1 + beta**2) * hits + beta**2 * misses + alarms)
    wanted, bounded = (
        (precision, recall) if criterion == "precision_at_target_recall" else (recall, precision)
    )
    return wanted if bounded >= target else -1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "criterion", ["accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision"]
)
def test_no_other_threshold_is_better(criterion, seed):
    scores, labels = sample(seed)
    threshold, value = Calibrator(criterion, 2.0, 0.6, 0.0).choose(scores, labels)
    assert measured(criterion, labels, scores >= threshold) == pytest.approx(value)
    others = [measured(criterion, labels, scores >= cut) for cut in np.arange(-5.05, 5, 0.1)]
    assert max(others) <= value + 1e-9


def test_of_equally_good_thresholds_the_nearest_to_the_default_is_chosen():
    scores, labels = np.float32([-3, -2, 1, 4, 5]), np.float32([0, 0, 1, 1, 1])
    assert Calibrator("accuracy", 1, 0.8, 0.0).choose(scores, labels) == (-0.5, 1.0)
    labels = np.ones(5, np.float32)
    assert Calibrator("accuracy", 1, 0.8, 0.0).choose(scores, labels) == (-4.0, 1.0)


def test_a_target_out_of_reach_is_approached():
    scores, labels = np.float32([3, 2, 1]), np.float32([0, 1, 0])
    threshold, value = Calibrator("recall_at_target_precision", 1, 0.9, 0.0).choose(scores, labels)
    assert 1 < threshold < 2  # precision 1/2 is the most there is
    assert value < 0


def test_the_loss_as_criterion_leaves_the_default():
    assert Calibrator("loss_function", 1, 0.8, 0.0).choose(*sample(0)) == (0.0, -np.inf)
    scores = np.float32([1, np.nan])
    assert Calibrator("accuracy", 1, 0.8, 0.0).choose(scores, np.float32([1, 0])) == (0.0, -np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_under_the_curve(seed):
    scores, labels = sample(seed)
    assert Cuts.of(scores, labels).area() == pytest.approx(roc_auc_score(labels, scores))


def test_one_class_has_no_area():
    assert Cuts.of(np.float32([1, 2]), np.float32([1, 1])).area() is None
