"""From the labels of neighbours to a prediction, and from predictions to scores."""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.float32]


def majority(labels: Labels) -> Labels:
    """Return the most frequent label of each row; of several, the one whose first neighbour is nearest.

    Parameters
    ----------
    labels
        (n, k), the nearest neighbour's first.
    """
    rows, k = labels.shape
    order = np.argsort(labels, axis=1, kind="stable")
    ordered = np.take_along_axis(labels, order, axis=1)
    # Runs of equal labels: where each begins, and how long it is up to a place.
    begins = np.ones((rows, k), bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.arange(k)
    starts = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    # The sort is stable, so the first of a run is the nearest with that label.
    nearest = np.take_along_axis(order, starts, axis=1)
    best = np.argmax((places - starts + 1) * k - nearest, axis=1)
    chosen: Labels = ordered[np.arange(rows), best]
    return chosen


def mean(labels: Labels) -> Labels:
    """Return the mean label of each row of (n, k)."""
    means: Labels = labels.mean(axis=1, dtype=np.float64).astype(np.float32)
    return means


def accuracy(predicted: Labels, true: Labels) -> float:
    """Share of rows with the right label."""
    return float(np.mean(predicted == true))


def macro_f1(predicted: Labels, true: Labels) -> float:
    """Mean F1 of all classes that are predicted or true; 0 for a class that is never predicted right."""
    _, codes = np.unique(np.concatenate([predicted, true]), return_inverse=True)
    guesses, truths = codes[: len(predicted)], codes[len(predicted) :]
    hits = np.bincount(truths[guesses == truths], minlength=codes.max() + 1)
    return float(np.mean(2 * hits / np.bincount(codes)))


def mean_squared_error(predicted: Labels, true: Labels) -> float:
    """Mean of the squared differences."""
    return float(np.mean((predicted.astype(np.float64) - true) ** 2))
