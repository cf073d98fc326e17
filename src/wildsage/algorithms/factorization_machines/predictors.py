"""What regression and classification do differently: the loss, its slope, and what is measured."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measure:
    """A value to report.

    Attributes
    ----------
    name, metric
        As the log's line calls it, and the metric that is found there.
    """

    name: str
    value: float
    direction: Literal["loss", "score"]
    metric: str


class Predictor(Protocol):
    """A loss on scores. Tallies are sums over rows, so those of batches and hosts can be added; the first is a count."""

    size: int
    """Numbers of a tally."""
    classifies: bool
    """Labels are classes."""

    def slopes(self, scores: Floats, labels: Floats) -> Floats:
        """Derivatives of the rows' losses by their scores: (n,)."""
        ...

    def tally(self, scores: Floats, labels: Floats) -> NDArray[np.float64]:
        """Add up what `measures` needs of some rows; the second number is their loss."""
        ...

    def measures(self, tally: NDArray[np.float64]) -> tuple[Measure, ...]:
        """Work out the measures."""
        ...

    def best_constant(self, mean: float) -> float:
        """Return the score that fits best to labels of a mean, if all rows have the same."""
        ...

    def spread(self, deviation: float) -> float:
        """Return how far scores are apart, by the labels' standard deviation."""
        ...

    def refusal(self, labels: Floats) -> str | None:
        """Say what is wrong with labels; None: nothing."""
        ...


class Regression:
    """Half of the squared error."""

    size = 3
    classifies = False

    def slopes(self, scores: Floats, labels: Floats) -> Floats:
        """Return the errors."""
        return scores - labels

    def tally(self, scores: Floats, labels: Floats) -> NDArray[np.float64]:
        """Count, squared errors, absolute errors."""
        errors = (scores - labels).astype(np.float64)
        return np.array([len(errors), errors @ errors, np.abs(errors).sum()])

    def measures(self, tally: NDArray[np.float64]) -> tuple[Measure, ...]:
        """Root mean square, mean square and mean absolute error."""
        mean_square, absolute = (float(number) for number in tally[1:] / tally[0])
        named = {"rmse": mean_square**0.5, "mse": mean_square, "absolute_loss": absolute}
        return tuple(Measure(name, value, "loss", name) for name, value in named.items())

    def best_constant(self, mean: float) -> float:
        """Return the mean."""
        return mean

    def spread(self, deviation: float) -> float:
        """Scores are apart as the labels are."""
        return deviation or 1.0

    def refusal(self, labels: Floats) -> str | None:
        """Each number is a label."""
        del labels
        return None


class Classification:
    """Logistic loss of labels 0 and 1; the positive class is predicted where its probability is at least ½."""

    size = 6
    classifies = True

    def slopes(self, scores: Floats, labels: Floats) -> Floats:
        """Return the probabilities' errors."""
        return probabilities(scores) - labels

    def tally(self, scores: Floats, labels: Floats) -> NDArray[np.float64]:
        """Count, loss, right ones, true positives, positives, predicted positives."""
        exact = scores.astype(np.float64)
        positive, predicted = labels == 1, scores >= 0
        hits = np.count_nonzero(positive & predicted)
        return np.array(
            [
                len(scores),
                (np.logaddexp(0, exact) - labels * exact).sum(),
                np.count_nonzero(positive == predicted),
                hits,
                np.count_nonzero(positive),
                np.count_nonzero(predicted),
            ],
            np.float64,
        )

    def measures(self, tally: NDArray[np.float64]) -> tuple[Measure, ...]:
        """Accuracy, cross-entropy and F1."""
        count, loss, right, hits, positive, predicted = (float(number) for number in tally)
        accuracy, entropy = "binary_classification_accuracy", "binary_classification_cross_entropy"
        f1 = 2 * hits / max(positive + predicted, 1)
        return (
            Measure(accuracy, right / count, "score", accuracy),
            Measure(entropy, loss / count, "loss", entropy),
            Measure("binary_f_1.000", f1, "score", "binary_f_beta"),
        )

    def best_constant(self, mean: float) -> float:
        """Return the log-odds of a share of positives."""
        bounded = min(max(mean, 1e-4), 1 - 1e-4)  # a first batch of one class does not settle the matter
        return float(np.log(bounded / (1 - bounded)))

    def spread(self, deviation: float) -> float:
        """Scores are log-odds, whatever the shares of the classes are."""
        del deviation
        return 1.0

    def refusal(self, labels: Floats) -> str | None:
        """Labels are 0 and 1."""
        wrong = labels[(labels != 0) & (labels != 1)]
        if len(wrong):
            return f"found the label {wrong[0]}; a binary_classifier takes 0 and 1: change the labels, or use a regressor"
        return None


def probabilities(scores: Floats) -> Floats:
    """Turn scores into probabilities of the positive class: (n,)."""
    shrunk = np.exp(-np.abs(scores))
    likely: Floats = np.where(scores >= 0, 1, shrunk) / (1 + shrunk)
    return likely


PREDICTORS: dict[str, Predictor] = {
    "regressor": Regression(),
    "binary_classifier": Classification(),
}
"""By predictor_type."""
