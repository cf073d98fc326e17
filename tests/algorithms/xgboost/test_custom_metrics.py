import warnings

import numpy as np
import pytest
from sklearn import metrics

from wildsage.algorithms.xgboost.custom_metrics import CUSTOM, Evaluation, evaluate
from wildsage.algorithms.xgboost.metric_names import BINARY, MAXIMIZED, MINIMIZED
from wildsage.toolkit.errors import UserError

BY_CLASS = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": lambda t, p: metrics.f1_score(t, p, average="macro"),
    "f1_macro": lambda t, p: metrics.f1_score(t, p, average="macro"),
    "precision_macro": lambda t, p: metrics.precision_score(t, p, average="macro", zero_division=0),
    "precision_micro": lambda t, p: metrics.precision_score(t, p, average="micro"),
    "recall_macro": lambda t, p: metrics.recall_score(t, p, average="macro", zero_division=0),
    "recall_micro": lambda t, p: metrics.recall_score(t, p, average="micro"),
}
OF_TWO = {
    "precision": lambda t, p: metrics.precision_score(t, p, zero_division=0),
    "recall": lambda t, p: metrics.recall_score(t, p, zero_division=0),
    "f1_binary": lambda t, p: metrics.f1_score(t, p, zero_division=0),
}
OF_NUMBERS = {"mse": metrics.mean_squared_error, "r2": metrics.r2_score}


def found(names, margins, labels, values=None):
    given = Evaluation(lambda: margins, lambda: values, labels, lambda sums: sums)
    return dict(evaluate(list(names), given))


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_several_classes_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=(60, 4))
    # Class 3 is rare in the truth, so that some ratios have no denominator.
    truth = rng.integers(0, 3 + (seed % 2), 60)
    scores = found(BY_CLASS, margins, truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are found but never true
        for name, expected in BY_CLASS.items():
            assert scores[name] == pytest.approx(expected(truth, margins.argmax(axis=1))), name


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_two_classes_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    margins, truth = rng.normal(size=80), rng.integers(0, 2, 80)
    for labels in (truth, np.zeros(80, int)):
        scores = found({**BY_CLASS, **OF_TWO}, margins, labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, expected in {**BY_CLASS, **OF_TWO}.items():
                assert scores[name] == pytest.approx(expected(labels, margins > 0)), name


def test_metrics_of_numbers_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    values, truth = rng.random(80) + 1000, rng.random(80) + 1000
    scores = found(OF_NUMBERS, None, truth, values)
    for name, expected in OF_NUMBERS.items():
        assert scores[name] == pytest.approx(expected(truth, values)), name
    assert found(["r2"], None, np.ones(3), np.ones(3)) == {"r2": 1.0}


def test_every_custom_metric_is_compared_and_declared():
    assert set(CUSTOM) == {*BY_CLASS, *OF_TWO, *OF_NUMBERS}
    assert set(OF_TWO) == BINARY
    assert {*MAXIMIZED, *MINIMIZED} >= set(CUSTOM)


def test_sums_over_hosts_make_the_metric_of_all_rows():
    rng = np.random.default_rng(0)
    margins, truth = rng.normal(size=90), rng.integers(0, 2, 90)
    parts = [slice(0, 20), slice(20, 90)]
    tables = [
        Evaluation(lambda part=part: margins[part], lambda: None, truth[part], lambda sums: sums).confusion
        for part in parts
    ]
    both = Evaluation(
        lambda: margins[parts[0]], lambda: None, truth[parts[0]], lambda _: sum(tables).reshape(-1)
    )
    assert dict(evaluate(["f1"], both)) == found(["f1"], margins, truth)


def test_what_is_no_class_is_named():
    with pytest.raises(UserError, match=r"labels from 0 to 1, but there is the label 2\.5"):
        found(["accuracy"], np.zeros(2), np.array([1, 2.5]))
    with pytest.raises(UserError, match="Target is multiclass but average='binary'"):
        found(["precision"], np.zeros((2, 3)), np.array([1, 2]))
