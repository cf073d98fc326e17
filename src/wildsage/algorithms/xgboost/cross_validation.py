"""k-fold cross validation: a model for each fold, and what each says of the rows it has not seen."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.xgboost.boosting import Scores
from wildsage.algorithms.xgboost.objectives import MULTI_CLASS, is_classification
from wildsage.toolkit.errors import UserError

PREDICTIONS: Final = "predictions.csv"

Indices = NDArray[np.int64]


def folds(
    labels: NDArray[np.float32], count: int, rounds: int, seed: int, *, stratified: bool
) -> Iterator[tuple[Indices, Indices]]:
    """Yield the rows to train with and those to validate with, fold by fold, each round in another order.

    Parameters
    ----------
    count
        Folds of a round.
    stratified
        Each fold has its share of every label.

    Raises
    ------
    UserError
        If there are fewer rows than folds.
    """
    if len(labels) < count:
        raise UserError(
            f"_kfold is {count}, but there are {len(labels)} rows: each fold needs one. Give a smaller _kfold."
        )
    rng = np.random.default_rng(seed & 0xFFFFFFFF)
    for _ in range(rounds):
        order = rng.permutation(len(labels))
        if stratified:
            order = order[np.argsort(labels[order], kind="stable")]
        fold = np.empty(len(labels), np.int64)
        fold[order] = np.arange(len(labels)) % count
        for number in range(count):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


class Recorder:
    """Collects predictions of held-out rows, of each round of cross validation.

    Parameters
    ----------
    labels
        (n,).
    rounds
        Predictions that each row is going to have.
    """

    def __init__(self, labels: NDArray[np.float32], rounds: int, objective: str) -> None:
        self._labels = labels
        self._objective = objective
        self._seen = np.zeros(len(labels), np.int64)
        self._values = np.zeros((len(labels), rounds))
        self._probabilities = np.zeros((len(labels), rounds))

    def record(self, rows: Indices, margins: NDArray[Any], predictions: NDArray[Any]) -> None:
        """Take the predictions of one fold.

        Parameters
        ----------
        margins
            (rows,) or (rows, classes), as the trees add up; of classifications they are what counts.
        predictions
            (rows,), of anything else.
        """
        place = rows, self._seen[rows]
        if is_classification(self._objective):
            self._values[place], self._probabilities[place] = classified(self._objective, margins)
        else:
            self._values[place] = predictions
        self._seen[rows] += 1

    def columns(self) -> NDArray[Any]:
        """Return (n, 2): label, mean prediction; of classifications (n, 3): label, mean probability, voted class.

        The probability is that of class 1 where there are two classes, else that of the class found.
        """
        if not is_classification(self._objective):
            return np.column_stack([self._labels, self._values.mean(axis=1)])
        return np.column_stack([self._labels, self._probabilities.mean(axis=1), _voted(self._values)])

    def save(self, folder: Path) -> None:
        """Write ``predictions.csv``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / PREDICTIONS, self.columns(), delimiter=",", fmt="%f")


def classified(objective: str, margins: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the class of each row and its probability; without one (hinge) the class again.

    Parameters
    ----------
    margins
        (n,), or (n, classes) of several classes.
    """
    if objective in MULTI_CLASS:
        scaled = np.exp(margins - margins.max(axis=1, keepdims=True))
        found = margins.argmax(axis=1)
        return found, scaled.max(axis=1) / scaled.sum(axis=1)
    classes = (margins > 0).astype(np.float64)
    if objective == "binary:hinge":
        return classes, classes
    return classes, 0.5 * (1 + np.tanh(0.5 * margins.astype(np.float64)))


def _voted(classes: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent class of each row, the smaller one of equals: (n, votes) to (n,)."""
    kinds = np.unique(classes)
    votes = (classes[:, :, np.newaxis] == kinds).sum(axis=1)
    winners: NDArray[Any] = kinds[votes.argmax(axis=1)]
    return winners


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Average the scores of some folds."""
    return {
        data: {metric: float(np.mean([one[data][metric] for one in scores])) for metric in metrics}
        for data, metrics in scores[0].items()
    }
