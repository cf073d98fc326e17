"""Evaluation metrics that the library does not have, on numpy.

Definitions are those of scikit-learn, which the tests compare with. They are made of sums, so that several hosts
find what one would that has all rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.toolkit.errors import UserError

Sums = NDArray[np.float64]
Total = Callable[[Sums], Sums]
"""Adds an array up over all hosts."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions of one data set, and the truth.

    Attributes
    ----------
    margins
        (n,) or (n, classes): what the trees add up to.
    values
        (n,): predictions of a regression. Asked for only where they are needed.
    labels
        (n,).
    """

    margins: Callable[[], NDArray[Any]]
    values: Callable[[], NDArray[Any]]
    labels: NDArray[Any]
    total: Total

    @cached_property
    def confusion(self) -> Sums:
        """Rows by true class (first axis) and found class.

        Raises
        ------
        UserError
            If a label is no class.
        """
        margins = self.margins()
        found = margins.argmax(axis=1) if margins.ndim == 2 else (margins > 0).astype(np.int64)
        classes = margins.shape[1] if margins.ndim == 2 else 2
        labels = self.labels
        wrong = (labels < 0) | (labels >= classes) | (labels % 1 != 0)
        if wrong.any():
            raise UserError(
                f"A metric of classes needs labels from 0 to {classes - 1}, but there is the label"
                f" {labels[wrong.argmax()]:g}: give another eval_metric"
            )
        pairs = labels.astype(np.int64) * classes + found
        counts = np.bincount(pairs, minlength=classes * classes).astype(np.float64)
        return self.total(counts).reshape(classes, classes)

    @cached_property
    def squares(self) -> tuple[float, float, float]:
        """Count of rows, sum of the squared errors, and of the squared distances of labels from their mean.

        Raises
        ------
        UserError
            If a prediction is no number.
        """
        labels, values = self.labels.astype(np.float64), self.values().astype(np.float64)
        if values.ndim > 1:
            raise UserError(
                "mse and r2 are metrics of numbers, but a prediction is the probabilities of all classes: give"
                " another eval_metric, such as mlogloss"
            )
        count, summed = self.total(np.array([len(labels), labels.sum()])).tolist()
        spread = labels - summed / max(count, 1)
        error = labels - values
        squared, distant = self.total(np.array([error @ error, spread @ spread])).tolist()
        return count, squared, distant


def evaluate(names: Sequence[str], evaluation: Evaluation) -> list[tuple[str, float]]:
    """Compute metrics of `CUSTOM`.

    Raises
    ------
    UserError
        If the labels are not what a metric is about.
    """
    return [(name, _METRICS[name](evaluation)) for name in names]


@dataclass(frozen=True, slots=True)
class _Counts:
    """Rows that are right, found and true, of each class that occurs."""

    right: Sums
    found: Sums
    true: Sums


def _of_classes(measure: Callable[[_Counts], Any]) -> Callable[[Evaluation], float]:
    """Make a metric of the counts of each class, all in one array; of their shares it is the mean."""

    def metric(evaluation: Evaluation) -> float:
        table = evaluation.confusion
        right, found, true = np.diag(table), table.sum(axis=0), table.sum(axis=1)
        occurs = (found > 0) | (true > 0)
        if not occurs.any():
            return 0.0
        return float(np.mean(measure(_Counts(right[occurs], found[occurs], true[occurs]))))

    return metric


def _of_two(measure: Callable[[_Counts], Any]) -> Callable[[Evaluation], float]:
    """Make a metric of the counts of class 1."""

    def metric(evaluation: Evaluation) -> float:
        table = evaluation.confusion
        if len(table) > 2:
            raise UserError(
                "Target is multiclass but average='binary': precision, recall and f1_binary are metrics of two"
                " classes. Use those that end in _macro or _micro."
            )
        return float(measure(_Counts(table[1, 1], table[:, 1].sum(), table[1].sum())))

    return metric


def _ratio(top: Any, bottom: Any) -> Any:
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


def _precision(of: _Counts) -> Any:
    return _ratio(of.right, of.found)


def _recall(of: _Counts) -> Any:
    return _ratio(of.right, of.true)


def _f1(of: _Counts) -> Any:
    return _ratio(2 * of.right, of.found + of.true)


def _recall_of_true(of: _Counts) -> Any:
    return _recall(of)[of.true > 0]


_accuracy = _of_classes(lambda of: of.right.sum() / of.true.sum())


def _mse(evaluation: Evaluation) -> float:
    count, squared, _ = evaluation.squares
    return squared / count if count else 0.0


def _r2(evaluation: Evaluation) -> float:
    _, squared, distant = evaluation.squares
    return 1 - squared / distant if distant else float(squared == 0)


_METRICS: Final[Mapping[str, Callable[[Evaluation], float]]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _of_classes(_recall_of_true),
    "f1": _of_classes(_f1),
    "f1_binary": _of_two(_f1),
    "f1_macro": _of_classes(_f1),
    "mse": _mse,
    "precision": _of_two(_precision),
    "precision_macro": _of_classes(_precision),
    # With one label a row, micro averages count right rows.
    "precision_micro": _accuracy,
    "r2": _r2,
    "recall": _of_two(_recall),
    "recall_macro": _of_classes(_recall),
    "recall_micro": _accuracy,
}

CUSTOM: Final = _METRICS.keys()
"""Computed here; the library has the others."""
