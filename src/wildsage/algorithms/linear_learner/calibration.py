"""Where a binary classifier draws the line between its classes.

Every cut between two neighbouring scores is looked at: what it makes of the rows is known from running counts.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Criterion = Literal[
    "accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function"
]
_EQUAL = 1e-9
"""Values of a criterion that differ by less are the same."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """What each place of the threshold makes of n rows, from none positive to all.

    Attributes
    ----------
    thresholds
        (cuts,), falling; rows with this score or a higher one are positive.
    hits, alarms
        (cuts,): positive rows above the threshold, and negative ones.
    positives, negatives
        Rows of each class.
    """

    thresholds: NDArray[np.float64]
    hits: NDArray[np.float64]
    alarms: NDArray[np.float64]
    positives: float
    negatives: float

    @classmethod
    def of(cls, scores: NDArray[np.float32], labels: NDArray[np.float32]) -> "Cuts":
        """Find them; scores and labels (0 or 1) are (n,), n of at least 1."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order].astype(np.float64)
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        distinct = ranked[last]
        # Halfway between neighbours; beyond the outermost by one.
        thresholds = [[distinct[0] + 1], (distinct[:-1] + distinct[1:]) / 2, [distinct[-1] - 1]]
        hits = np.append(0.0, np.cumsum(labels[order], dtype=np.float64)[last])
        alarms = np.append(0.0, last + 1.0) - hits
        return cls(np.concatenate(thresholds), hits, alarms, float(hits[-1]), float(alarms[-1]))

    def precision(self) -> NDArray[np.float64]:
        """Return the share of positive rows above each threshold; 0 where nothing is above it."""
        return self.hits / np.maximum(self.hits + self.alarms, 1)

    def recall(self) -> NDArray[np.float64]:
        """Return the share of positive rows that are above each threshold."""
        return self.hits / max(self.positives, 1)

    def accuracy(self) -> NDArray[np.float64]:
        """Return the share of rows on the right side of each threshold."""
        return (self.hits + self.negatives - self.alarms) / (self.positives + self.negatives)

    def f_score(self, beta: float) -> NDArray[np.float64]:
        """Return the weighted harmonic mean of precision and recall at each threshold."""
        weight = beta * beta
        misses = self.positives - self.hits
        return (
            (1 + weight)
            * self.hits
            / np.maximum((1 + weight) * self.hits + weight * misses + self.alarms, 1e-9)
        )

    def area(self) -> float | None:
        """Return the area under the receiver operating characteristic; None where one class has no rows."""
        if self.positives == 0 or self.negatives == 0:
            return None
        steps = np.diff(self.alarms) * (self.hits[:-1] + self.hits[1:]) / 2
        return float(steps.sum() / (self.positives * self.negatives))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Chooses thresholds.

    Attributes
    ----------
    beta
        Of the F score.
    target
        Least recall, or least precision.
    default_threshold
        Of equally good ones the nearest to it is chosen.
    """

    criterion: Criterion
    beta: float
    target: float
    default_threshold: float

    def choose(self, scores: NDArray[np.float32], labels: NDArray[np.float32]) -> tuple[float, float]:
        """Return the best threshold and what the criterion is there, where more is better.

        Scores that are not finite are worth nothing.
        """
        if self.criterion == "loss_function" or not np.isfinite(scores).all():
            return self.default_threshold, -np.inf
        cuts = Cuts.of(scores, labels)
        values = self._values(cuts)
        best = np.flatnonzero(values >= values.max() - _EQUAL)
        distances = np.abs(cuts.thresholds[best] - self.default_threshold)
        chosen = best[distances.argmin()]
        return float(cuts.thresholds[chosen]), float(values[chosen])

    def _values(self, cuts: Cuts) -> NDArray[np.float64]:
        if self.criterion == "accuracy":
            return cuts.accuracy()
        if self.criterion == "f_beta":
            return cuts.f_score(self.beta)
        precision, recall = cuts.precision(), cuts.recall()
        if self.criterion == "precision_at_target_recall":
            return _at_target(precision, recall, self.target)
        return _at_target(recall, precision, self.target)


def _at_target(
    wanted: NDArray[np.float64], bounded: NDArray[np.float64], target: float
) -> NDArray[np.float64]:
    """Value what reaches the target by what is wanted; what does not by how near it comes, always below."""
    return np.where(bounded >= target - _EQUAL, wanted, bounded - target - 1)
