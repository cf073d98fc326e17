"""Steps down a gradient: stochastic gradient descent with momentum, Adam, RMSProp.

References
----------
D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
T. Tieleman, G. Hinton, "Lecture 6.5, RMSProp", Neural Networks for Machine Learning, 2012.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_TINY = np.float32(1e-8)
_RMSPROP_DECAY = np.float32(0.9)


class Optimizer(Protocol):
    """Turns gradients into directions; what it remembers of earlier ones is in `state`."""

    state: dict[str, NDArray[Any]]

    def direction(self, gradient: Array) -> tuple[Array, Array | np.float32]:
        """Return what, times the learning rate, is taken from the parameters, and how it scales the gradient.

        Both may be overwritten by the next call.
        """
        ...


class Descent:
    """The gradient, or a sum of gradients that each count `momentum` times less than the next."""

    def __init__(self, momentum: float) -> None:
        self._momentum = np.float32(momentum)
        self.state: dict[str, NDArray[Any]] = {}

    def direction(self, gradient: Array) -> tuple[Array, Array | np.float32]:
        """See `Optimizer`."""
        one = np.float32(1)
        if self._momentum == 0:
            return gradient, one
        velocity = self.state.setdefault("velocity", np.zeros_like(gradient))
        velocity *= self._momentum
        velocity += gradient
        return velocity, one


class Adam:
    """The mean of gradients over the root of the mean of their squares, both decaying."""

    def __init__(self, beta_1: float, beta_2: float) -> None:
        self._beta_1 = np.float32(beta_1)
        self._beta_2 = np.float32(beta_2)
        self.state: dict[str, NDArray[Any]] = {"steps": np.zeros(1, np.int64)}

    def direction(self, gradient: Array) -> tuple[Array, Array | np.float32]:
        """See `Optimizer`."""
        mean = self.state.setdefault("mean", np.zeros_like(gradient))
        square = self.state.setdefault("square", np.zeros_like(gradient))
        self.state["steps"] += 1
        steps = int(self.state["steps"][0])
        mean += (1 - self._beta_1) * (gradient - mean)
        square += (1 - self._beta_2) * (gradient * gradient - square)
        root = np.sqrt(square)
        root *= np.float32((1 - float(self._beta_2) ** steps) ** -0.5)
        root += _TINY
        scales = np.divide(np.float32(1 / (1 - float(self._beta_1) ** steps)), root, out=root)
        return mean * scales, scales


class RMSProp:
    """The gradient over the root of the decaying mean of its squares."""

    def __init__(self) -> None:
        self.state: dict[str, NDArray[Any]] = {}

    def direction(self, gradient: Array) -> tuple[Array, Array | np.float32]:
        """See `Optimizer`."""
        square = self.state.setdefault("square", np.zeros_like(gradient))
        square += (1 - _RMSPROP_DECAY) * (gradient * gradient - square)
        scales = np.reciprocal(np.sqrt(square + _TINY))
        return gradient * scales, scales


def optimizer_of(name: str, parameters: Mapping[str, Any]) -> Optimizer:
    """Return an optimizer by its name; the hyperparameters give what it needs."""
    if name == "sgd":
        return Descent(_given(parameters["momentum"], 0.0))
    if name == "rmsprop":
        return RMSProp()
    return Adam(_given(parameters["beta_1"], 0.9), _given(parameters["beta_2"], 0.99))


def _given(value: Any, automatic: float) -> float:
    return automatic if value == "auto" else float(value)
