"""Passes over all rows at once, by limited-memory BFGS, all models side by side: for smooth losses without ``l1``.

A pass gives a direction for each model. How far to go along it costs no pass, because scores are linear in the
parameters: it takes those of the rows and those that the direction gives.

References
----------
J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35, 1980.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.models import LinearModels
from wildsage.algorithms.linear_learner.products import Array
from wildsage.algorithms.linear_learner.scaling import Scaling
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective

Values = NDArray[np.float64]
"""(models,)."""
Batches = Callable[[], Iterable[tuple[Rows, Array | None]]]

_STEPS_KEPT: Final = 10
_TRIALS: Final = 12
_LEAST_PART: Final = 1e-4
"""Of the fall that the slope promises, which is enough."""
_NEAR: Final = 1e-4
"""A model is done that is shown to be above its least objective by this part of it at most."""
_BENDING_OF_BIAS: Final = 0.01
"""The penalty bends the objective by wd along each weight, not along the bias: there the loss does, by more than this
unless nearly all rows are of one class.
"""
_ROUNDING: Final = 1e-7
"""A fall by this part of the objective is as small as the rounding of float32."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the models are, and what is known there.

    Attributes
    ----------
    parameters
        (d + 1, K).
    scores, slopes
        (n, K) for each batch of rows: what the weights give, and the derivative of the loss by that.
    losses, penalties
        The mean over the rows of all hosts, and what is added to it.
    """

    parameters: Array
    scores: list[Array]
    slopes: list[Array]
    losses: Values
    penalties: Values

    @property
    def objectives(self) -> Values:
        """What is minimized."""
        return self.losses + self.penalties


class Refinement:
    """Takes models to the least of their objectives.

    Parameters
    ----------
    batches
        Yields this host's rows, each time in the same order, and what they weigh in the models: (n, 1) or
        (n, models); None: all weigh the same.
    count
        Rows of all hosts, or of each model, (models,).
    """

    def __init__(
        self,
        models: LinearModels,
        batches: Batches,
        count: float | Values,
        scaling: Scaling,
        hosts: Collective,
    ) -> None:
        self._models = models
        self._batches = batches
        self._count = np.broadcast_to(np.asarray(count, np.float64), models.count)
        self._scaling = scaling
        self._hosts = hosts

    def run(self, parameters: Array, passes: int) -> tuple[Place, int]:
        """Go on from some parameters, (d + 1, K); returns where that leads, and the passes it took.

        Parameters
        ----------
        passes
            At most so many.
        """
        # A length that is too far is not taken.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._run(parameters, passes)

    def _run(self, parameters: Array, passes: int) -> tuple[Place, int]:
        going = np.ones(self._models.count, np.bool_)
        place = self._at(parameters, self._scores(parameters))
        memory = Memory(self._models.count)
        gradient = self._gradient(place)
        done = 1
        while done < passes and going.any():
            direction = memory.direction(gradient) * self._columns(going)
            reached = self._search(place, direction, memory.products(gradient, direction), going)
            before, gradient = gradient, self._gradient(reached)
            memory.add(reached.parameters - place.parameters, gradient - before)
            has_fallen = place.objectives - reached.objectives > _ROUNDING * reached.objectives
            # What bends by so much in each direction is so far above its least at most.
            bending = np.minimum(self._models.wd, _BENDING_OF_BIAS)
            above = memory.products(gradient, gradient) / 2
            going &= has_fallen & (above > _NEAR * reached.objectives * bending)
            place = reached
            done += 1
        return place, done

    def _search(self, place: Place, direction: Array, promised: Values, going: NDArray[np.bool_]) -> Place:
        """Go along a direction, (d + 1, K), until the objectives are lower; models that find nothing stay."""
        along = self._scores(direction)
        lengths = going.astype(np.float64)
        for _ in range(_TRIALS):
            reached = self._moved(place, direction, along, lengths)
            rise = reached.objectives - place.objectives
            is_lower = rise <= _LEAST_PART * lengths * promised
            if is_lower.all():
                return reached
            # Where the parabola of what is known of both places is lowest.
            vertex = -promised * lengths**2 / (2 * (rise - lengths * promised))
            vertex = np.where(np.isfinite(vertex), vertex, 0.0)
            lengths = np.where(is_lower, lengths, np.clip(vertex, 0.1 * lengths, 0.5 * lengths))
        return self._moved(place, direction, along, np.where(is_lower, lengths, 0.0))

    def _moved(self, place: Place, direction: Array, along: list[Array], lengths: Values) -> Place:
        by_column = self._columns(lengths)
        scores = [here + by_column * other for here, other in zip(place.scores, along, strict=True)]
        return self._at(place.parameters + by_column * direction, scores)

    def _scores(self, parameters: Array) -> list[Array]:
        return [self._models.scores(rows.features, parameters) for rows, _ in self._batches()]

    def _at(self, parameters: Array, scores: list[Array]) -> Place:
        total = np.zeros(self._models.count)
        slopes = []
        for (rows, weights), found in zip(self._batches(), scores, strict=True):
            losses, slope = self._models.losses(found, self._scaling.labels(rows.labels), weights)
            total += losses
            slopes.append(slope)
        total = self._hosts.sum(total) / self._count
        return Place(parameters, scores, slopes, total, self._models.penalties(parameters))

    def _gradient(self, place: Place) -> Array:
        """Return the gradient of the objectives, (d + 1, K)."""
        total = np.zeros_like(place.parameters)
        for (rows, _), slopes in zip(self._batches(), place.slopes, strict=True):
            total += self._models.by_parameters(rows.features, slopes)
        gradient = (self._hosts.sum(total) / self._columns(self._count)).astype(np.float32)
        self._models.penalize(gradient, place.parameters)
        return gradient

    def _columns(self, values: NDArray[np.generic]) -> Array:
        """Repeat values of models, (models,), for each of their columns, (K,)."""
        return np.repeat(values.astype(np.float32), self._models.outputs)


class Memory:
    """What the last steps tell of the curvature, for each model on its own."""

    def __init__(self, models: int) -> None:
        self._models = models
        self._steps: deque[tuple[Array, Array, Values]] = deque(maxlen=_STEPS_KEPT)
        self._scale: Values | None = None

    def products(self, left: Array, right: Array) -> Values:
        """Return the scalar products of the models' parts of two matrices, (d + 1, K) each."""
        return np.asarray((left * right).sum(axis=0, dtype=np.float64).reshape(self._models, -1).sum(axis=1))

    def add(self, step: Array, change: Array) -> None:
        """Take in a step and by how much the gradient changed, (d + 1, K) each."""
        bent = self.products(step, change)
        is_bent = bent > 0
        inverse = np.where(is_bent, 1 / np.where(is_bent, bent, 1), 0.0)
        if self._scale is None:
            self._scale = np.ones(self._models)
        squares = np.maximum(self.products(change, change), np.finfo(np.float32).tiny)
        self._scale = np.where(is_bent, bent / squares, self._scale)
        self._steps.append((step, change, inverse))

    def direction(self, gradient: Array) -> Array:
        """Return where to go: minus the gradient, (d + 1, K), times the inverse curvature, as far as it is known."""
        if self._scale is None:
            lengths = np.sqrt(self.products(gradient, gradient))
            return -gradient * self._columns(1 / np.maximum(lengths, 1e-12), gradient)
        found = gradient.copy()
        parts = []
        for step, change, inverse in reversed(self._steps):
            parts.append(inverse * self.products(step, found))
            found -= self._columns(parts[-1], gradient) * change
        found *= self._columns(self._scale, gradient)
        for (step, change, inverse), part in zip(self._steps, reversed(parts), strict=True):
            found += self._columns(part - inverse * self.products(change, found), gradient) * step
        return -found

    def _columns(self, values: Values, like: Array) -> Array:
        return np.repeat(values.astype(np.float32), like.shape[1] // self._models)
