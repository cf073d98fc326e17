"""Steps of Adam on the features that a batch touches, large at the start and as the learning rates say later on.

A feature that a batch does not touch keeps its parameters and its averages. Each has a clock of its own: how often it
was touched. The gradient of a batch is the sum over its rows, times ``rescale_grad``, brought into the range of
``clip_gradient``; then the decay's part is added.

A step of Adam is about as long as its learning rate. A run of some hundred steps gets nowhere with 0.001 for the
linear terms, so steps are longer at first, by what scores need: see `Opening`.

References
----------
D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.machine import Machine

_MEAN_DECAY, _SQUARE_DECAY = 0.9, 0.999
_EPS = 1e-8
_LEAST_EPS = 1e-30
"""In the place of 0: where a gradient is 0, so is the step."""
_FIRST_LENGTHS = 256
"""Of a table of lengths, which grows with the steps."""
_OPENING_TOUCHES = 30
"""The first steps are this many times what they are, relative to the count of steps, before they become short."""

_LEAST_SIZE = 1e-12
"""Of a row: the steps that smaller ones ask for have squares beyond float32."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A number for each kind of parameter."""

    bias: float
    linear: float
    factors: float


DEFAULT_RATES = Terms(0.1, 0.001, 0.0001)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user sets.

    Attributes
    ----------
    clip
        None: gradients are not clipped.
    """

    rates: Terms
    decays: Terms
    clip: float | None = None
    rescale: float = 1.0
    eps: float = _EPS

    @property
    def least_eps(self) -> float:
        """What keeps a step from dividing by 0, above 0 itself."""
        return self.eps or _LEAST_EPS


@dataclass(frozen=True, slots=True)
class Opening:
    """How long the steps of a feature are before its learning rates are longer: `linear` and `factors` at first.

    After t steps they are ``30 / (30 + t)`` of that, so the sum of all steps has no bound, but the learning rates soon
    are longer, and hold for the rest of the run.
    """

    linear: float = 0.0
    factors: float = 0.0

    @classmethod
    def fitting(cls, spread: float, size: float, rates: Terms) -> "Opening":
        """Choose steps that move the scores by a fraction of their spread.

        Parameters
        ----------
        spread
            How far scores are apart.
        size
            Mean sum of the absolute values of a row.
        rates
            One below its default makes these steps shorter in proportion, 0 leaves them out.
        """
        size = max(size, _LEAST_SIZE) if size else 1.0
        return cls(
            0.2 * spread / size * min(1.0, rates.linear / DEFAULT_RATES.linear),
            0.05 * math.sqrt(spread) / size * min(1.0, rates.factors / DEFAULT_RATES.factors),
        )


class Adam:
    """The averages of a machine's gradients, and the steps taken with them.

    Parameters
    ----------
    machine
        Changed in place.

    Attributes
    ----------
    means, squares
        (d, 1 + k): averages of the gradients, and of their squares.
    touches
        (d,): how many steps each feature has taken.
    bias_mean, bias_square, steps
        The same of the bias.
    """

    def __init__(self, machine: Machine, settings: Settings, opening: Opening) -> None:
        self._machine, self._settings, self._opening = machine, settings, opening
        self.means = np.zeros_like(machine.weights)
        self.squares = np.zeros_like(machine.weights)
        self.touches = np.zeros(len(machine.weights), np.int32)
        self.bias_mean = self.bias_square = 0.0
        self.steps = 0
        self._lengths = np.zeros((2, 0), np.float32)
        decays = np.full(machine.weights.shape[1], settings.decays.factors, np.float32)
        decays[0] = settings.decays.linear
        self._decays = decays if decays.any() else None

    def step(self, columns: NDArray[np.int64], gradient: NDArray[np.float32], bias_gradient: float) -> None:
        """Take a step.

        Parameters
        ----------
        columns
            (u,): the features touched, each once.
        gradient
            (u, 1 + k), of them; overwritten.
        """
        self._step_bias(bias_gradient)
        if len(columns):
            self._step_features(columns, gradient)

    def _step_bias(self, gradient: float) -> None:
        settings = self._settings
        gradient *= settings.rescale
        if settings.clip is not None:
            gradient = min(max(gradient, -settings.clip), settings.clip)
        gradient += settings.decays.bias * self._machine.bias
        self.steps += 1
        self.bias_mean += (1 - _MEAN_DECAY) * (gradient - self.bias_mean)
        self.bias_square += (1 - _SQUARE_DECAY) * (gradient * gradient - self.bias_square)
        correction = math.sqrt(1 - _SQUARE_DECAY**self.steps) / (1 - _MEAN_DECAY**self.steps)
        root = math.sqrt(self.bias_square) + (settings.least_eps)
        self._machine.bias -= settings.rates.bias * correction * self.bias_mean / root

    def _step_features(self, columns: NDArray[np.int64], gradient: NDArray[np.float32]) -> None:
        settings = self._settings
        weights = self._machine.weights.take(columns, axis=0)
        if settings.rescale != 1:
            gradient *= np.float32(settings.rescale)
        if settings.clip is not None:
            np.clip(gradient, -settings.clip, settings.clip, out=gradient)
        if self._decays is not None:
            gradient += self._decays * weights
        weights -= self._direction(columns, gradient)
        _put(self._machine.weights, columns, weights)

    def _direction(self, columns: NDArray[np.int64], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the gradient into the averages, and return the steps that they ask for."""
        means = self.means.take(columns, axis=0)
        means *= np.float32(_MEAN_DECAY)
        means += np.float32(1 - _MEAN_DECAY) * gradient
        _put(self.means, columns, means)
        squares = self.squares.take(columns, axis=0)
        squares *= np.float32(_SQUARE_DECAY)
        gradient *= gradient
        gradient *= np.float32(1 - _SQUARE_DECAY)
        squares += gradient
        _put(self.squares, columns, squares)
        touches = self.touches[columns]
        linear, factors = self.lengths(self.steps)[:, touches]
        self.touches[columns] = touches + 1
        np.sqrt(squares, out=squares)
        squares += np.float32(self._settings.least_eps)
        means /= squares
        means[:, 0] *= linear
        means[:, 1:] *= factors[:, np.newaxis]
        return means

    def lengths(self, steps: int) -> NDArray[np.float32]:
        """Return the lengths of steps of linear terms and of factors, by how often a feature was touched before.

        Parameters
        ----------
        steps
            The table, (2, t), is to have as many at least.
        """
        if self._lengths.shape[1] < steps:
            self._lengths = self._table(max(_FIRST_LENGTHS, 2 * steps))
        return self._lengths

    def _table(self, count: int) -> NDArray[np.float32]:
        touches = np.arange(1, count + 1, dtype=np.float64)
        corrections = np.sqrt(1 - _SQUARE_DECAY**touches) / (1 - _MEAN_DECAY**touches)
        share = _OPENING_TOUCHES / (_OPENING_TOUCHES + touches)
        rates, opening = self._settings.rates, self._opening
        linear = corrections * np.maximum(rates.linear, opening.linear * share)
        factors = corrections * np.maximum(rates.factors, opening.factors * share)
        return np.stack([linear, factors]).astype(np.float32)


def _put(matrix: NDArray[np.float32], columns: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    """Set rows of a matrix: ``matrix[columns] = rows``, each row copied as one item, which is twice as fast."""
    item = np.dtype((np.void, matrix.itemsize * matrix.shape[1]))
    matrix.view(item)[:, 0][columns] = rows.view(item)[:, 0]
