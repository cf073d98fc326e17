"""The trained model, as it is stored and served: weights of raw rows, and the threshold of a binary classifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.products import Array, Features, spread, times
from wildsage.toolkit.inference import Columns

Link = Literal["identity", "logistic", "softmax"]
"""How what the weights give becomes the score of an answer."""


def logistic(scores: NDArray[np.float32]) -> Array:
    """Return 1 / (1 + exp(-z))."""
    shrunk = np.exp(-np.abs(scores))
    chances: Array = np.where(scores >= 0, 1, shrunk) / (1 + shrunk)
    return chances


def softmax(scores: NDArray[np.float32]) -> Array:
    """Return the chances of classes, (n, classes), which add up to one."""
    chances: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Predicts from raw rows.

    Attributes
    ----------
    weights
        (d, outputs); as many outputs as classes of a multiclass classifier, else one.
    biases
        (outputs,).
    threshold
        The score from which on a row of a binary classifier is positive; None: a regressor or of several classes.
    """

    weights: Array
    biases: Array
    link: Link
    threshold: float | None = None

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return len(self.weights)

    @property
    def outputs(self) -> int:
        """Numbers that a row gets."""
        return int(self.weights.shape[1])

    def raw_scores(self, features: Features) -> Array:
        """Return what the weights give, (n, outputs)."""
        scores = times(spread(features), self.weights)
        scores += self.biases
        return scores

    def scores_of(self, raw: Array) -> Array:
        """Return the scores that answers hold, (n, outputs)."""
        if self.link == "logistic":
            return logistic(raw)
        return softmax(raw) if self.link == "softmax" else raw

    def labels_of(self, scores: Array) -> NDArray[np.int64]:
        """Return the classes that scores stand for, (n,)."""
        if self.threshold is None:
            return np.asarray(scores.argmax(axis=1))
        return (scores[:, 0] >= np.float32(self.threshold)).astype(np.int64)

    def predict(self, features: Features, options: Mapping[str, str]) -> Columns:
        """Return the ``score`` of each row, of a multiclass classifier one for each class, and its ``predicted_label``."""
        del options  # there is nothing else to say
        scores = self.scores_of(self.raw_scores(features))
        column = scores if self.outputs > 1 else scores[:, 0]
        if self.threshold is None and self.outputs == 1:
            return {"score": column}
        return {"score": column, "predicted_label": self.labels_of(scores)}
