"""What a search believes about the objective: a Gaussian process of its trials and of those of its parents.

Trials of parents with *identical* data and algorithm are observations like its own. A parent to *transfer* from
is another task (Swersky, Snoek, Adams: Multi-Task Bayesian Optimization, NeurIPS 2013): its losses are transformed on
their own, and it lies at a distance from the search, in a column of its own whose length is fitted as any other. A
parent that does not resemble the search ends up far away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from wildsage.search import gaussian_process, power_transform
from wildsage.search.acquisition import LogExpectedImprovement
from wildsage.search.gaussian_process import GaussianProcess, Kernel
from wildsage.search.observations import Observations, observe
from wildsage.search.power_transform import PowerTransform
from wildsage.search.space import Space
from wildsage.search.trial import Goal, Trial

Array = NDArray[np.float64]

FITTED = 200
"""Trials that the kernel is fitted to: time grows with their third power. All are conditioned on."""

_FANTASIES = 32
_LEAST_SPREAD = 0.1
_RESEMBLANCE = 0.5


@dataclass(frozen=True, slots=True)
class Output:
    """From losses to the targets of the process: a power, then the scale of the parents.

    Attributes
    ----------
    scale, offset
        What the search's own transformed losses are multiplied with, and moved by: where there are parents, their
        mean and deviation become those that the parents let expect at the same points.
    """

    power: PowerTransform
    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, losses: Array) -> Array:
        """Targets of losses."""
        return self.power(losses) * self.scale + self.offset

    def inverse(self, targets: Array) -> Array:
        """Losses of targets."""
        return self.power.inverse((targets - self.offset) / self.scale)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The belief, conditioned on everything that is over.

    Attributes
    ----------
    process
        Of the space's columns and one more for each parent to transfer from.
    output
        From losses to what the process is of.
    tried, losses
        (k, ranges) and (k,): the search's own places within the space and what they came to, the best first.
    """

    space: Space
    process: GaussianProcess
    output: Output
    tried: Array
    losses: Array

    def columns(self, places: Array) -> Array:
        """The process's columns of places of the search itself: (m, columns)."""
        own = self.space.columns(places)
        return np.hstack([own, np.zeros((len(own), self.process.points.shape[1] - own.shape[1]))])

    def best(self) -> Array:
        """The least mean at what was tried, (1,): noise does not make it too good to be reached again."""
        tried = self.columns(self.tried) if len(self.tried) else self.process.points
        least: Array = self.process.posterior(tried)[0].min(axis=0)
        return least

    def improvement(self, running: Array, rng: Generator) -> "OwnTask":
        """The acquisition function while trials run at places (p, ranges)."""
        width = len(self.space.groups)
        if not len(running):
            return OwnTask(LogExpectedImprovement(self.process, self.best()), width)
        points = self.columns(running)
        fantasies = _draw(self.process, points, rng)
        targets = np.vstack([np.repeat(self.process.targets, _FANTASIES, axis=1), fantasies])
        process = GaussianProcess(self.process.kernel, np.vstack([self.process.points, points]), targets)
        best = np.minimum(self.best(), fantasies.min(axis=0))
        return OwnTask(LogExpectedImprovement(process, best), width)


@dataclass(frozen=True, slots=True)
class OwnTask:
    """An acquisition function of the space's columns: those of the parents are 0, where the search itself is."""

    acquisition: LogExpectedImprovement
    width: int

    def __call__(self, points: Array) -> Array:
        """Values at points (m, columns of the space): (m,)."""
        return self.acquisition(self._widened(points))

    def gradient(self, point: Array) -> tuple[float, Array]:
        """Value and derivative at a point (columns of the space,)."""
        value, slope = self.acquisition.gradient(self._widened(point[np.newaxis])[0])
        return value, slope[: self.width]

    def _widened(self, points: Array) -> Array:
        more = self.acquisition.process.points.shape[1] - self.width
        return np.hstack([points, np.zeros((len(points), more))]) if more else points


def learn(
    space: Space,
    goal: Goal,
    trials: Sequence[Trial],
    identical: Sequence[Trial] = (),
    transfer: Sequence[Sequence[Trial]] = (),
) -> Surrogate | None:
    """Fit a surrogate; None while there are fewer than two observations."""
    own = observe(space, goal, [*identical, *trials])
    parents = [one for one in (observe(space, goal, parent) for parent in transfer) if len(one.losses) > 1]
    if len(own.losses) + sum(len(one.losses) for one in parents) < 2:
        return None
    groups = np.r_[space.groups, len(space) + np.arange(len(parents))]
    theirs = _of_parents(space, parents)
    output = _aligned(space, own, theirs)
    points = np.vstack([_with_tasks(space, own.places, len(parents), None), theirs[0]])
    targets = np.r_[output(own.losses), theirs[1]]
    chosen = _representative(targets)
    kernel = gaussian_process.fit(
        points[chosen], groups, targets[chosen], gaussian_process.prior(len(space), len(parents))
    )
    failures = _with_tasks(space, own.failed, len(parents), None)
    # A failure is as bad as the worst, but no reason to believe in shorter lengths.
    process = GaussianProcess(
        kernel,
        np.vstack([points, failures]),
        np.r_[targets, np.full(len(failures), targets.max())][:, np.newaxis],
    )
    order = np.argsort(own.losses, kind="stable")
    order = order[own.inside()[order]]
    return Surrogate(space, process, output, own.places[order], own.losses[order])


def _with_tasks(space: Space, places: Array, parents: int, parent: int | None) -> Array:
    """Columns of places, and of the task that they belong to: a parent, or the search."""
    tasks = np.zeros((len(places), parents))
    if parent is not None:
        tasks[:, parent] = 1
    return np.hstack([space.columns(places), tasks])


def _of_parents(space: Space, parents: Sequence[Observations]) -> tuple[Array, Array]:
    """Points and targets of parents, each transformed on its own."""
    count = len(parents)
    points = [_with_tasks(space, one.places, count, index) for index, one in enumerate(parents)]
    targets = [power_transform.fit(one.losses)(one.losses) for one in parents]
    return np.vstack([np.empty((0, len(space.groups) + count)), *points]), np.concatenate([[], *targets])


def _aligned(space: Space, own: Observations, theirs: tuple[Array, Array]) -> Output:
    """Find the output of the search: what its losses are on the parents' scale."""
    power = power_transform.fit(own.losses)
    width = len(space.groups)
    points, targets = theirs[0][:, :width], theirs[1]
    if not len(points) or not len(own.losses):
        return Output(power)
    # What parents disagree about is noise here.
    kernel = Kernel(np.full(width, _RESEMBLANCE), 1.0, 0.1)
    believed = GaussianProcess(kernel, points, targets[:, np.newaxis])
    expected = believed.posterior(space.columns(own.places))[0]
    return Output(power, max(float(np.std(expected)), _LEAST_SPREAD), float(np.mean(expected)))


def _representative(targets: Array) -> NDArray[np.intp]:
    """Indices of at most `FITTED` targets: the best half of them, and others spread evenly over the ranks."""
    order = np.argsort(targets, kind="stable")
    if len(order) <= FITTED:
        return order
    half = FITTED // 2
    spread = np.linspace(half, len(order) - 1, FITTED - half).astype(np.intp)
    chosen: NDArray[np.intp] = order[np.concatenate([np.arange(half), spread])]
    return chosen


def _draw(process: GaussianProcess, points: Array, rng: Generator) -> Array:
    """Function values at points (p, columns) that may be, drawn evenly: (p, fantasies)."""
    mean, covariance = process.joint(points)
    uniform = qmc.Sobol(len(points), rng=rng).random(_FANTASIES)
    normal = ndtri(np.clip(uniform, 1e-6, 1 - 1e-6))
    drawn: Array = mean + gaussian_process.root(covariance) @ normal.T
    return drawn
