"""A machine that learns from batches, on one host or with others."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.adam import Adam, Opening, Settings
from wildsage.algorithms.factorization_machines.blocks import block_of
from wildsage.algorithms.factorization_machines.machine import Machine, score
from wildsage.algorithms.factorization_machines.predictors import Predictor
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective


@dataclass(frozen=True, slots=True)
class Initialiser:
    """How parameters start.

    Attributes
    ----------
    method
        ``normal``, ``uniform`` or ``constant``.
    parameter
        The standard deviation; the bound of the range around 0; the value.
    """

    method: str
    parameter: float

    def draw(self, rng: Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return parameters of a shape."""
        if self.method == "constant":
            return np.full(shape, self.parameter, np.float32)
        if self.method == "normal":
            drawn = rng.standard_normal(shape, np.float32)
        else:
            drawn = rng.random(shape, np.float32)
            drawn = 2 * drawn - 1
        drawn *= np.float32(self.parameter)
        return drawn


@dataclass(frozen=True, slots=True)
class Glance:
    """What the first rows tell of the data, before the first step.

    Attributes
    ----------
    mean, deviation
        Of the labels.
    size
        Mean sum of the absolute values of a row.
    """

    mean: float = 0.0
    deviation: float = 0.0
    size: float = 0.0


def glance(rows: Rows | None, hosts: Collective) -> Glance:
    """Look at a few rows of each host; None: it has none."""
    sums = np.zeros(4)
    if rows is not None:
        labels = rows.labels[:, 0].astype(np.float64)
        sums[:] = len(labels), labels.sum(), labels @ labels, block_of(rows.features).absolute_sum
    count, total, squares, size = (float(number) for number in hosts.sum(sums))
    count = max(count, 1.0)
    mean = total / count
    return Glance(mean, math.sqrt(max(squares / count - mean * mean, 0.0)), size / count)


@dataclass(frozen=True, slots=True)
class Gradient:
    """What some rows ask of the machine.

    Attributes
    ----------
    columns, weights
        (u,) and (u, 1 + k): the gradient of the features that the rows touch.
    bias
        Its gradient.
    tally
        Of the rows' predictions, as the `Predictor` adds them up.
    """

    columns: NDArray[np.int64]
    weights: NDArray[np.float32]
    bias: float
    tally: NDArray[np.float64]


class Learner:
    """A machine and its optimiser.

    Parameters
    ----------
    glance
        The bias starts at the best constant for the labels' mean, unless it is to start at a given constant.
    """

    def __init__(
        self,
        machine: Machine,
        predictor: Predictor,
        settings: Settings,
        glance: Glance,
    ) -> None:
        self.machine = machine
        self.predictor = predictor
        self.settings = settings
        opening = Opening.fitting(predictor.spread(glance.deviation), glance.size, settings.rates)
        self.adam = Adam(machine, settings, opening)

    def gradient(self, rows: Rows | None) -> Gradient:
        """Find the gradient of some rows; None: of no rows."""
        if rows is None:
            width = self.machine.weights.shape[1]
            empty = np.zeros((0, width), np.float32)
            return Gradient(np.zeros(0, np.int64), empty, 0.0, np.zeros(self.predictor.size))
        labels = rows.labels[:, 0]
        scored = score(self.machine, block_of(rows.features))
        slopes = self.predictor.slopes(scored.scores, labels)
        tally = self.predictor.tally(scored.scores, labels)
        weights = scored.gradient(slopes)
        return Gradient(scored.block.columns, weights, float(slopes.sum(dtype=np.float64)), tally)

    def follow(self, gradient: Gradient) -> None:
        """Take a step."""
        self.adam.step(gradient.columns, gradient.weights, gradient.bias)


def add_up(own: Gradient, hosts: Collective) -> Gradient:
    """Add the gradients of all hosts; each gets the sum, so that all machines stay equal.

    Only what the rows touched goes over the wire.
    """
    if hosts.is_alone:
        return own
    columns = hosts.gather(own.columns)
    weights = hosts.gather(own.weights)
    numbers = hosts.sum(np.concatenate([[own.bias], own.tally]))
    if hosts.is_first:
        together, weights_together = _merged(columns, weights)
    else:
        together, weights_together = own.columns, own.weights  # not looked at
    return Gradient(hosts.share(together), hosts.share(weights_together), float(numbers[0]), numbers[1:])


def _merged(
    columns: list[NDArray[np.int64]], weights: list[NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    together = np.unique(np.concatenate(columns))
    total = np.zeros((len(together), weights[0].shape[1]), np.float32)
    for own_columns, own in zip(columns, weights, strict=True):
        total[np.searchsorted(together, own_columns)] += own
    return together, total
