"""Losses of linear models, row by row, with their slopes.

All take the scores of K models side by side. A score z is what the model's weights give for a row, y its label. A
slope is the derivative of the loss by the score, where there is none a subgradient.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Loss(Protocol):
    """A loss."""

    @property
    def objective(self) -> str:
        """Its name in the log."""
        ...

    @property
    def degree(self) -> int:
        """Labels and scores multiplied by c give c to this power times the loss."""
        ...

    @property
    def curvature(self) -> float:
        """The greatest second derivative by the score; 1 where there is none."""
        ...

    @property
    def is_smooth(self) -> bool:
        """Whether the slope does not jump."""
        ...

    def evaluate(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Return losses, (n, models), and slopes, as scores.

        Parameters
        ----------
        scores
            (n, models), or (n, models · classes), each model's classes side by side.
        labels
            (n, 1).
        """
        ...


@dataclass(frozen=True, slots=True)
class OfError:
    """A loss of the error z - y.

    Attributes
    ----------
    function
        Gives losses and slopes of errors.
    """

    objective: str
    degree: int
    function: Callable[[Array], tuple[Array, Array]]
    curvature: float = 1.0
    is_smooth: bool = True

    def evaluate(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Return losses and slopes, (n, models)."""
        return self.function(scores - labels)


@dataclass(frozen=True, slots=True)
class Logistic:
    """log(1 + exp(-z)) of a positive row (label 1), log(1 + exp(z)) of a negative one (0)."""

    objective: str = "binary_classification_cross_entropy_objective"
    degree: int = 0
    curvature: float = 0.25
    is_smooth: bool = True

    def evaluate(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Return losses and slopes, (n, models)."""
        # One exponential of a number below zero serves both: it cannot overflow.
        shrunk = np.exp(-np.abs(scores))
        rest = 1 + shrunk
        losses = np.maximum(scores, 0) - scores * labels + np.log(rest)
        return losses, np.where(scores >= 0, 1, shrunk) / rest - labels


@dataclass(frozen=True, slots=True)
class Hinge:
    """max(0, margin - z) of a positive row, max(0, margin + z) of a negative one."""

    margin: float
    objective: str = "hinge_loss_objective"
    degree: int = 0
    curvature: float = 1.0
    is_smooth: bool = False

    def evaluate(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Return losses and slopes, (n, models)."""
        signs = 2 * labels - 1
        short = np.maximum(np.float32(self.margin) - signs * scores, 0)
        return short, np.where(short > 0, -signs, np.float32(0))


@dataclass(frozen=True, slots=True)
class Softmax:
    """Minus the logarithm of the probability that the scores give to the row's class."""

    classes: int
    objective: str = "multiclass_cross_entropy_objective"
    degree: int = 0
    curvature: float = 0.5
    is_smooth: bool = True

    def evaluate(self, scores: Array, labels: Array) -> tuple[Array, Array]:
        """Return losses, (n, models), and slopes, (n, models · classes)."""
        apart = scores.reshape(len(scores), -1, self.classes)
        apart = apart - apart.max(axis=2, keepdims=True)
        own = (np.arange(len(scores)), slice(None), labels[:, 0].astype(np.int64))
        losses = -apart[own]
        slopes = np.exp(apart, out=apart)
        total = slopes.sum(axis=2, keepdims=True)
        losses += np.log(total[:, :, 0])
        slopes /= total
        slopes[own] -= 1
        return losses, slopes.reshape(scores.shape)


def squared(error: Array) -> tuple[Array, Array]:
    """e²."""
    return error * error, 2 * error


def absolute(error: Array) -> tuple[Array, Array]:
    """|e|."""
    return np.abs(error), np.sign(error)


def eps_insensitive_squared(error: Array, insensitivity: float) -> tuple[Array, Array]:
    """max(0, |e| - insensitivity)²."""
    beyond = np.maximum(np.abs(error) - np.float32(insensitivity), 0)
    return beyond * beyond, 2 * beyond * np.sign(error)


def eps_insensitive_absolute(error: Array, insensitivity: float) -> tuple[Array, Array]:
    """max(0, |e| - insensitivity)."""
    beyond = np.maximum(np.abs(error) - np.float32(insensitivity), 0)
    return beyond, np.sign(error) * (beyond > 0)


def of_quantile(error: Array, quantile: float) -> tuple[Array, Array]:
    """Quantile · |e| where the label is above, (1 - quantile) · |e| where it is below."""
    slopes = np.where(error < 0, np.float32(-quantile), np.float32(1 - quantile))
    return error * slopes, slopes


def huber(error: Array, delta: float) -> tuple[Array, Array]:
    """e² / 2 up to delta, from there on a line."""
    bent = np.clip(error, np.float32(-delta), np.float32(delta))
    return bent * (error - np.float32(0.5) * bent), bent


_OF_ERRORS: Final[Mapping[str, tuple[int, float, bool]]] = {
    "squared_loss": (2, 2.0, True),
    "absolute_loss": (1, 1.0, False),
    "eps_insensitive_squared_loss": (2, 2.0, True),
    "eps_insensitive_absolute_loss": (1, 1.0, False),
    "quantile_loss": (1, 1.0, False),
    "huber_loss": (2, 1.0, True),
}
"""Degree, curvature, and whether it is smooth."""


def loss_of(name: str, parameters: Mapping[str, Any]) -> Loss:
    """Return a loss by its name as a hyperparameter; the others give what it needs."""
    if name == "logistic":
        return Logistic()
    if name == "hinge_loss":
        return Hinge(parameters["margin"])
    if name == "softmax_loss":
        return Softmax(parameters["num_classes"])
    insensitivity = parameters["loss_insensitivity"]
    functions: dict[str, Callable[[Array], tuple[Array, Array]]] = {
        "squared_loss": squared,
        "absolute_loss": absolute,
        "eps_insensitive_squared_loss": lambda error: eps_insensitive_squared(error, insensitivity),
        "eps_insensitive_absolute_loss": lambda error: eps_insensitive_absolute(error, insensitivity),
        "quantile_loss": lambda error: of_quantile(error, parameters["quantile"]),
        "huber_loss": lambda error: huber(error, parameters["huber_delta"]),
    }
    degree, curvature, is_smooth = _OF_ERRORS[name]
    objective = "mse_objective" if name == "squared_loss" else f"{name}_objective"
    return OfError(objective, degree, functions[name], curvature, is_smooth)
