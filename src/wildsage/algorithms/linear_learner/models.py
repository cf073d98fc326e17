"""Linear models side by side: their parameters, gradients and steps, all as one matrix.

With W the weights of all models beside each other, ``X W`` gives the scores of a batch and ``Xᵀ S`` the gradients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.candidates import Candidate, bias_multipliers
from wildsage.algorithms.linear_learner.losses import Loss
from wildsage.algorithms.linear_learner.optimizers import Optimizer
from wildsage.algorithms.linear_learner.products import Array, Features, times, transposed_times
from wildsage.algorithms.linear_learner.scaling import Scaling


def first_parameters(parameters: Mapping[str, Any], scaling: Scaling, columns: int, rng: Generator) -> Array:
    """Draw the weights to start from, (d + 1, columns), the bias last.

    Weights of columns that hold one value begin at zero: nothing would move them away from chance.
    """
    shape = (len(scaling.mean), columns)
    if parameters["init_method"] == "uniform":
        weights = rng.uniform(-parameters["init_scale"], parameters["init_scale"], shape)
    else:
        weights = rng.normal(0, parameters["init_sigma"], shape)
    weights[scaling.constant] = 0
    bias = parameters["init_bias"] if parameters["use_bias"] else 0.0
    return np.concatenate([weights, np.full((1, columns), bias)]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Settings:
    """Penalties and rates of K columns of parameters; each (K,).

    Attributes
    ----------
    bias_rate, bias_wd
        Multipliers for the bias.
    learns_bias
        Else it stays.
    """

    rate: Array
    wd: Array
    l1: Array
    bias_rate: Array
    bias_wd: float
    learns_bias: bool


def settings_of(candidates: Sequence[Candidate], outputs: int, parameters: Mapping[str, Any]) -> Settings:
    """Lay out the candidates' settings by column; a model has `outputs` columns."""

    def columns(values: list[float]) -> Array:
        return np.repeat(np.array(values, np.float32), outputs)

    rate = columns([candidate.learning_rate for candidate in candidates])
    bias_wd = parameters["bias_wd_mult"]
    return Settings(
        rate=rate,
        wd=columns([candidate.wd for candidate in candidates]),
        l1=columns([candidate.l1 for candidate in candidates]),
        bias_rate=bias_multipliers(parameters["bias_lr_mult"], rate),
        bias_wd=0.0 if bias_wd == "auto" else float(bias_wd),
        learns_bias=parameters["use_bias"],
    )


@dataclass(frozen=True, slots=True)
class Gradient:
    """What the rows of a batch say, summed.

    Attributes
    ----------
    by_parameters
        (d + 1, K).
    losses
        (models,).
    """

    by_parameters: Array
    losses: NDArray[np.float64]


class LinearModels:
    """Models in training.

    Parameters
    ----------
    parameters
        (d + 1, K), of normalized rows; the columns of a model are side by side.
    count
        Of models.

    Attributes
    ----------
    parameters
        As they are now; changed in place.
    """

    def __init__(
        self,
        parameters: Array,
        count: int,
        settings: Settings,
        loss: Loss,
        scaling: Scaling,
        optimizer: Optimizer,
    ) -> None:
        self.parameters = parameters
        self.count = count
        self.optimizer = optimizer
        self._settings = settings
        self._loss = loss
        self._scaling = scaling
        self._has_l1 = bool(settings.l1.any())

    @property
    def rates(self) -> Array:
        """Learning rates of the first step, (K,)."""
        return self._settings.rate

    @property
    def outputs(self) -> int:
        """Columns of a model."""
        return int(self.parameters.shape[1]) // self.count

    def columns(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        """Return the columns of some models, one after the other."""
        return (np.array(numbers)[:, np.newaxis] * self.outputs + np.arange(self.outputs)).reshape(-1)

    def only(self, numbers: Sequence[int]) -> "LinearModels":
        """Return some of the models, apart from these."""
        columns = self.columns(numbers)
        given = self._settings
        settings = replace(
            given,
            rate=given.rate[columns],
            wd=given.wd[columns],
            l1=given.l1[columns],
            bias_rate=given.bias_rate[columns],
        )
        chosen = self.parameters[:, columns]
        return LinearModels(chosen, len(numbers), settings, self._loss, self._scaling, self.optimizer)

    @property
    def wd(self) -> NDArray[np.float64]:
        """Weight of each model's L2 penalty, (models,)."""
        return self._settings.wd[:: self.outputs].astype(np.float64)

    @property
    def is_smooth(self) -> NDArray[np.bool_]:
        """Tell for each model, (models,), whether what it minimizes has a gradient everywhere."""
        has_l1 = self._settings.l1.reshape(self.count, -1).any(axis=1)
        return np.asarray(~has_l1 & self._loss.is_smooth)

    def gradient(self, features: Features, labels: Array, weights: Array | None) -> Gradient:
        """Sum up losses and gradients of a batch; see `losses` for labels and weights."""
        losses, slopes = self.losses(self.scores(features, self.parameters), labels, weights)
        return Gradient(self.by_parameters(features, slopes), losses)

    def scores(self, features: Features, parameters: Array) -> Array:
        """Return what parameters give for rows, (n, K): of regressors, normalized labels."""
        weights, biases = self._scaling.raw_weights(parameters)
        scores = times(features, weights)
        scores += biases
        return scores

    def losses(
        self, scores: Array, labels: Array, weights: Array | None
    ) -> tuple[NDArray[np.float64], Array]:
        """Return the sums of the losses, (models,), and the slopes of each row, (n, K).

        Parameters
        ----------
        labels
            (n, 1), normalized.
        weights
            (n, 1) or (n, models), of the rows; None: all are 1.
        """
        losses, slopes = self._loss.evaluate(scores, labels)
        if weights is not None:
            losses *= weights
            apart = slopes.reshape(*losses.shape, -1)
            apart *= weights[:, :, np.newaxis]
        return losses.sum(axis=0, dtype=np.float64), slopes

    def by_parameters(self, features: Features, slopes: Array) -> Array:
        """Return the gradient, (d + 1, K), by the parameters of what has these slopes by the scores, (n, K)."""
        return self._scaling.normalized_gradient(transposed_times(features, slopes), slopes.sum(axis=0))

    def penalties(self, parameters: Array) -> NDArray[np.float64]:
        """Return what the penalties add to each model's mean loss, (models,)."""
        settings = self._settings
        weights, bias = parameters[:-1].astype(np.float64), parameters[-1].astype(np.float64)
        squares = np.square(weights).sum(axis=0) + settings.bias_wd * np.square(bias)
        added = settings.wd / 2 * squares + settings.l1 * np.abs(weights).sum(axis=0)
        return np.asarray(added.reshape(self.count, -1).sum(axis=1))

    def penalize(self, gradient: Array, parameters: Array) -> None:
        """Add the gradient of the L2 penalties to one of the mean loss, (d + 1, K); it is overwritten."""
        settings = self._settings
        gradient[:-1] += settings.wd * parameters[:-1]
        gradient[-1] += settings.bias_wd * settings.wd * parameters[-1]
        if not settings.learns_bias:
            gradient[-1] = 0

    def step(self, gradient: Array, rates: Array) -> None:
        """Take a step.

        Parameters
        ----------
        gradient
            (d + 1, K), the mean over rows; overwritten.
        rates
            (K,), learning rates.
        """
        settings = self._settings
        self.penalize(gradient, self.parameters)
        direction, scales = self.optimizer.direction(gradient)
        self.parameters[-1] -= rates * settings.bias_rate * direction[-1]
        self.parameters[:-1] -= rates * direction[:-1]
        if self._has_l1:
            # The L1 penalty as its own, exact step (proximal): weights that it outweighs are zero, not nearly so.
            shrinkage = rates * settings.l1 * (scales if np.ndim(scales) == 0 else np.asarray(scales)[:-1])
            weights = self.parameters[:-1]
            weights[...] = np.sign(weights) * np.maximum(np.abs(weights) - shrinkage, 0)
