"""Regression with a Gaussian process (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006).

The kernel is Matérn's with smoothness 5/2 and a length for each range (automatic relevance determination), which Snoek,
Larochelle and Adams (NeurIPS 2012) found right for hyperparameters. Lengths, amplitude and noise are
the most probable ones (MAP): the marginal likelihood with weak priors, for a few trials alone say little.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

_JITTER = 1e-8


@dataclass(frozen=True, slots=True)
class Kernel:
    """Covariance of function values, and of what is observed of them.

    Attributes
    ----------
    lengths
        (columns,): how far apart values still resemble each other.
    variance
        Of the function.
    noise
        Variance of what an observation adds.
    """

    lengths: Array
    variance: float
    noise: float

    def covariance(self, a: Array, b: Array) -> Array:
        """Of the function at points (n, columns) and (m, columns): (n, m)."""
        value, _ = matern(squared_distances(a / self.lengths, b / self.lengths))
        return value * self.variance


def squared_distances(a: Array, b: Array) -> Array:
    """Squared distances of points (n, c) and (m, c): (n, m), never negative."""
    squares = np.einsum("ij,ij->i", a, a)[:, np.newaxis] + np.einsum("ij,ij->i", b, b) - 2 * (a @ b.T)
    np.maximum(squares, 0, out=squares)
    found: Array = squares
    return found


def matern(squared: Array) -> tuple[Array, Array]:
    """Matérn's function of smoothness 5/2 of squared distances, and its derivative by them (Rasmussen, equation 4.17)."""
    scaled = np.sqrt(5 * squared)
    decay = np.exp(-scaled)
    return (1 + scaled + scaled * scaled / 3) * decay, (-5 / 6) * (1 + scaled) * decay


@dataclass(frozen=True)
class GaussianProcess:
    """A process conditioned on observations.

    Attributes
    ----------
    points
        (n, columns).
    targets
        (n, s): several sets of observations at the same points share one variance.
    """

    kernel: Kernel
    points: Array
    targets: Array

    @cached_property
    def factor(self) -> Array:
        """The lower Cholesky factor of the observations' covariance."""
        covariance = _observed(self.kernel, self.kernel.covariance(self.points, self.points))
        factor: Array = cholesky(covariance, lower=True, check_finite=False)
        return factor

    @cached_property
    def weights(self) -> Array:
        """(n, s): the mean at x is ``k(x) @ weights``."""
        weights: Array = cho_solve((self.factor, True), self.targets, check_finite=False)
        return weights

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """Mean (m, s) and variance (m,) of the function at points (m, columns)."""
        covariance = self.kernel.covariance(self.points, x)
        reached = solve_triangular(self.factor, covariance, lower=True, check_finite=False)
        variance = self.kernel.variance - np.einsum("ij,ij->j", reached, reached)
        return covariance.T @ self.weights, np.maximum(variance, 1e-12 * self.kernel.variance)

    def joint(self, x: Array) -> tuple[Array, Array]:
        """Mean (m, s) and covariance (m, m) of the function at points (m, columns)."""
        covariance = self.kernel.covariance(self.points, x)
        reached = solve_triangular(self.factor, covariance, lower=True, check_finite=False)
        return covariance.T @ self.weights, self.kernel.covariance(x, x) - reached.T @ reached

    def gradients(self, x: Array) -> tuple[Array, float, Array, Array]:
        """At one point (columns,): mean (s,), variance, and their derivatives, (s, columns) and (columns,)."""
        lengths = self.kernel.lengths
        difference = (x - self.points) / lengths
        value, slope = matern(np.einsum("ij,ij->i", difference, difference))
        covariance = self.kernel.variance * value
        # (n, columns): the derivative of the covariance with each observation.
        moved = (2 * self.kernel.variance * slope)[:, np.newaxis] * difference / lengths
        solved = cho_solve((self.factor, True), covariance, check_finite=False)
        variance = max(self.kernel.variance - float(covariance @ solved), 1e-12 * self.kernel.variance)
        return covariance @ self.weights, variance, self.weights.T @ moved, -2 * (solved @ moved)


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent normal distributions of the logarithms of a kernel's parameters.

    Attributes
    ----------
    means, deviations
        (groups + 2,): of the length of each group, the variance and the noise.
    """

    means: Array
    deviations: Array


def prior(ranges: int, tasks: int = 0) -> Prior:
    """What is believed of the lengths of ranges, and behind them of tasks, which are at distance 1 of the search's own.

    Along a range the function changes over half of it; another task resembles the own one.
    """
    lengths = [(math.log(0.5), 1.0)] * ranges + [(math.log(2.0), 1.0)] * tasks
    means, deviations = np.transpose([*lengths, (0.0, 1.0), (math.log(1e-4), 2.0)])
    return Prior(means, deviations)


_LOGARITHMS = ((math.log(0.01), math.log(100)), (-7.0, 5.0), (math.log(1e-7), 1.0))
"""Bounds of the logarithms of a length, the variance and the noise."""

_STARTS = (0.0, -1.5)
"""What the lengths' logarithms are moved by, from the prior's mean: long and short ones may both explain the data."""


def fit(points: Array, groups: NDArray[np.intp], targets: Array, prior: Prior) -> Kernel:
    """Find the most probable kernel.

    Parameters
    ----------
    points
        (n, columns).
    groups
        (columns,): the range or task of each column; columns of one group share a length.
    targets
        (n,), of mean 0 and deviation 1 or nearly so.
    """
    length, variance, noise = _LOGARITHMS
    count = len(prior.means) - 2
    moved = np.r_[np.ones(count), 0, 0]
    found = [
        minimize(
            loss,
            prior.means + shift * moved,
            (points, groups, targets, prior),
            "L-BFGS-B",
            jac=True,
            bounds=[length] * count + [variance, noise],
            options={"maxiter": 60, "ftol": 1e-6},
        )
        for shift in _STARTS
    ]
    return _kernel(min(found, key=lambda one: float(one.fun)).x, groups)


def _kernel(logarithms: Array, groups: NDArray[np.intp]) -> Kernel:
    values = np.exp(logarithms)
    return Kernel(values[:-2][groups], float(values[-2]), float(values[-1]))


def loss(
    logarithms: Array, points: Array, groups: NDArray[np.intp], targets: Array, prior: Prior
) -> tuple[float, Array]:
    """How improbable a kernel is, and the gradient of that.

    The negative logarithm of marginal likelihood times prior, without constants (Rasmussen, equations 5.8 and 5.9);
    `logarithms` are those of a length for each group, the variance and the noise.
    """
    kernel = _kernel(logarithms, groups)
    scaled = points / kernel.lengths
    value, slope = matern(squared_distances(scaled, scaled))
    factor = cholesky(_observed(kernel, kernel.variance * value), lower=True, check_finite=False)
    inverse = cho_solve((factor, True), np.eye(len(points)), check_finite=False)
    weights = inverse @ targets
    # The derivative by a parameter p is half the trace of (K⁻¹ - ww') ∂K/∂p.
    outer = inverse - np.outer(weights, weights)
    pulled = outer * slope * kernel.variance
    # Σ pulled·(a - b)² of each column without the (n, n, columns) of differences.
    by_column = (scaled * scaled).T @ pulled.sum(axis=1) - np.einsum("ij,ij->j", scaled, pulled @ scaled)
    trace = float(np.trace(outer))
    varied = kernel.variance * (float(np.einsum("ij,ij->", outer, value)) + _JITTER * trace)
    lengths = -2 * np.bincount(groups, by_column, len(logarithms) - 2)
    away = (logarithms - prior.means) / prior.deviations
    found = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor)).sum()) + 0.5 * float(away @ away)
    return found, np.r_[lengths, 0.5 * varied, 0.5 * kernel.noise * trace] + away / prior.deviations


def _observed(kernel: Kernel, covariance: Array) -> Array:
    """Add to a covariance, in place, what observing adds; a little more keeps it regular."""
    covariance[np.diag_indices_from(covariance)] += kernel.noise + _JITTER * kernel.variance
    return covariance


def root(covariance: Array) -> Array:
    """A matrix R with RR' = covariance, also where points lie at one place."""
    values, vectors = np.linalg.eigh(covariance)
    scaled: Array = vectors * np.sqrt(np.maximum(values, 0))
    return scaled
