"""What the log says of a model on a set of rows: losses and scores, in the order of AWS's logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.calibration import Cuts
from wildsage.algorithms.linear_learner.model import LinearModel
from wildsage.algorithms.linear_learner.parameters import BINARY, MULTICLASS
from wildsage.algorithms.linear_learner.products import Array
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.metrics import Direction


@dataclass(frozen=True, slots=True)
class Score:
    """A number of the log.

    Attributes
    ----------
    metric
        Its name among the declared metrics.
    """

    name: str
    value: float
    direction: Direction = "score"
    metric: str | None = None


class Tally(Protocol):
    """Looks at predictions batch by batch, on each host at its own."""

    def observe(self, scores: Array, labels: Array) -> None:
        """Take in scores of answers, (n, outputs), and labels, (n,)."""
        ...

    def result(self, hosts: Collective) -> list[Score]:
        """Put the hosts' parts together; all but the first may return nothing."""
        ...


def tally_of(parameters: Mapping[str, Any], model: LinearModel) -> Tally:
    """Return what looks at the predictions of a model."""
    if parameters["predictor_type"] == BINARY:
        return BinaryTally(model, parameters["f_beta"])
    if parameters["predictor_type"] == MULTICLASS:
        return MulticlassTally(model, parameters["f_beta"], parameters["accuracy_top_k"])
    return RegressionTally()


class RegressionTally:
    """Mean squared and absolute errors."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def observe(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        errors = scores[:, 0].astype(np.float64) - labels
        self._sums += (len(errors), np.square(errors).sum(), np.abs(errors).sum())

    def result(self, hosts: Collective) -> list[Score]:
        """See `Tally`."""
        count, squares, absolutes = hosts.sum(self._sums)
        mse = squares / max(count, 1)
        return [
            Score("mse", mse, "loss"),
            Score("rmse", mse**0.5, "loss"),
            Score("absolute_loss", absolutes / max(count, 1), "loss"),
        ]


class BinaryTally:
    """Scores at the model's threshold, and the area over all thresholds."""

    def __init__(self, model: LinearModel, beta: float) -> None:
        self._model = model
        self._beta = beta
        self._scores: list[Array] = []
        self._labels: list[Array] = []

    def observe(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        self._scores.append(scores[:, 0])
        self._labels.append(labels)

    def result(self, hosts: Collective) -> list[Score]:
        """See `Tally`."""
        none = np.zeros(0, np.float32)
        all_scores = hosts.gather(np.concatenate([none, *self._scores]))
        all_labels = hosts.gather(np.concatenate([none, *self._labels]))
        if not hosts.is_first:
            return []
        return binary_scores(np.concatenate(all_scores), np.concatenate(all_labels), self._model, self._beta)


def binary_scores(
    scores: NDArray[np.float32], labels: NDArray[np.float32], model: LinearModel, beta: float
) -> list[Score]:
    """Score a binary classifier; scores and labels are (n,)."""
    found = model.labels_of(scores[:, np.newaxis])
    hits = float(np.sum((found == 1) & (labels == 1)))
    alarms, misses = float(np.sum(found == 1)) - hits, float(np.sum(labels == 1)) - hits
    rights = float(len(labels)) - hits - alarms - misses
    recall = hits / max(hits + misses, 1)
    specificity = rights / max(rights + alarms, 1)
    listed = [
        Score("binary_classification_accuracy", (hits + rights) / len(labels)),
        Score(f"binary_f_{beta:.3f}", _f_score(hits, alarms, misses, beta), metric="binary_f_beta"),
        Score("precision", hits / max(hits + alarms, 1)),
        Score("recall", recall),
    ]
    area = Cuts.of(scores, labels).area()
    if area is not None:
        listed.append(Score("roc_auc_score", area))
    listed.append(Score("binary_balanced_accuracy", (recall + specificity) / 2))
    if model.link == "logistic":
        listed.append(Score("binary_log_loss", _log_loss(np.where(labels == 1, scores, 1 - scores))))
    return listed


class MulticlassTally:
    """Scores of the likeliest class, and of the order of all classes."""

    def __init__(self, model: LinearModel, beta: float, top_k: int) -> None:
        self._model = model
        self._beta = beta
        self._top_k = top_k
        self._sums = np.zeros(5)
        self._classes = np.zeros((3, model.outputs))

    def observe(self, scores: Array, labels: Array) -> None:
        """See `Tally`."""
        classes = labels.astype(np.int64)
        own = scores[np.arange(len(scores)), classes]
        ranks = (scores > own[:, np.newaxis]).sum(axis=1)
        found = self._model.labels_of(scores)
        right = found == classes
        logarithms = np.log(np.maximum(own.astype(np.float64), np.finfo(np.float32).tiny))
        self._sums += (
            len(scores),
            right.sum(),
            (ranks < self._top_k).sum(),
            (1 / np.log2(ranks + 2)).sum(),
            -logarithms.sum(),
        )
        width = self._model.outputs
        for row, chosen in enumerate((classes[right], found, classes)):
            self._classes[row] += np.bincount(chosen, minlength=width)

    def result(self, hosts: Collective) -> list[Score]:
        """See `Tally`."""
        count, right, near, gain, loss = hosts.sum(self._sums)
        hits, predicted, actual = hosts.sum(self._classes)
        seen = (predicted + actual) > 0
        recalls = hits / np.maximum(actual, 1)
        precisions = hits / np.maximum(predicted, 1)
        f_scores = [
            _f_score(hit, guess - hit, real - hit, self._beta)
            for hit, guess, real in zip(hits[seen], predicted[seen], actual[seen], strict=True)
        ]
        return [
            Score("multiclass_accuracy", right / count),
            Score(
                f"multiclass_top_k_accuracy_{self._top_k}", near / count, metric="multiclass_top_k_accuracy"
            ),
            Score("dcg", gain / count),
            Score("macro_recall", float(recalls[seen].mean())),
            Score("macro_precision", float(precisions[seen].mean())),
            Score(f"macro_f_{self._beta:.3f}", float(np.mean(f_scores)), metric="macro_f_beta"),
            Score("multiclass_balanced_accuracy", float(recalls[actual > 0].mean())),
            Score("multiclass_log_loss", loss / count),
        ]


def _f_score(hits: float, alarms: float, misses: float, beta: float) -> float:
    weight = beta * beta
    total = (1 + weight) * hits + weight * misses + alarms
    return float((1 + weight) * hits / total) if total else 0.0


def _log_loss(chances: NDArray[np.float32]) -> float:
    """Mean of minus the logarithms of what was given to the true class."""
    least = np.finfo(np.float32).eps
    return float(-np.log(np.maximum(chances.astype(np.float64), least)).mean())
