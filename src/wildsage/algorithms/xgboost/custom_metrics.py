"""Evaluation metrics that the library does not have, on numpy.

Definitions are those of scikit-learn, which the tests compare with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[Any], NDArray[Any]], float]


def evaluate(
    names: Sequence[str], predictions: NDArray[Any], labels: NDArray[Any]
) -> list[tuple[str, float]]:
    """Compute metrics.

    Parameters
    ----------
    predictions
        (n,) values, probabilities or classes, or (n, k) probabilities.
    labels
        (n,).
    """
    values = predictions.astype(np.float64)
    truth = labels.astype(np.float64)
    return [
        (
            name,
            _REGRESSION[name](values, truth)
            if name in _REGRESSION
            else _CLASSES[name](_classes(values), truth),
        )
        for name in names
    ]


def _classes(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim == 2:
        winners: NDArray[Any] = values.argmax(axis=1).astype(np.float64)
        return winners
    # Classes of multi:softmax are whole numbers already.
    return values if (values > 1).any() and (values % 1 == 0).all() else (values > 0.5).astype(np.float64)


def _counts(found: NDArray[Any], truth: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Per class that occurs: right, found, true."""
    classes, numbers = np.unique(np.concatenate([found, truth]), return_inverse=True)
    k = len(classes)
    a, b = numbers[: len(found)], numbers[len(found) :]
    right = np.bincount(a[a == b], minlength=k)
    return right, np.bincount(a, minlength=k), np.bincount(b, minlength=k)


def _ratio(top: NDArray[Any], bottom: NDArray[Any]) -> NDArray[Any]:
    ratio: NDArray[Any] = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom > 0)
    return ratio


def _accuracy(found: NDArray[Any], truth: NDArray[Any]) -> float:
    return float((found == truth).mean())


def _balanced_accuracy(found: NDArray[Any], truth: NDArray[Any]) -> float:
    right, _, true = _counts(found, truth)
    return float((right[true > 0] / true[true > 0]).mean())


def _precision(found: NDArray[Any], truth: NDArray[Any]) -> float:
    right, claimed, _ = _counts(found, truth)
    return float(_ratio(right, claimed).mean())


def _recall(found: NDArray[Any], truth: NDArray[Any]) -> float:
    right, _, true = _counts(found, truth)
    return float(_ratio(right, true).mean())


def _f1(found: NDArray[Any], truth: NDArray[Any]) -> float:
    right, claimed, true = _counts(found, truth)
    return float(_ratio(2 * right, claimed + true).mean())


def _f1_binary(found: NDArray[Any], truth: NDArray[Any]) -> float:
    right = float(((found == 1) & (truth == 1)).sum())
    both = float((found == 1).sum() + (truth == 1).sum())
    return 2 * right / both if both else 0.0


def _mse(values: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(((values - truth) ** 2).mean())


def _r2(values: NDArray[Any], truth: NDArray[Any]) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    residual = float(((truth - values) ** 2).sum())
    return 1 - residual / spread if spread else float(residual == 0)


_REGRESSION: Final[Mapping[str, Score]] = {"mse": _mse, "r2": _r2}
_CLASSES: Final[Mapping[str, Score]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "f1_binary": _f1_binary,
    "f1_macro": _f1,
    "precision": _precision,
    "precision_macro": _precision,
    # With one label a row, micro averages count right rows.
    "precision_micro": _accuracy,
    "recall": _recall,
    "recall_macro": _recall,
    "recall_micro": _accuracy,
}

CUSTOM: Final = _REGRESSION.keys() | _CLASSES.keys()
"""Computed by the container; the library has the others."""
