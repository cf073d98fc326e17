"""How much a trial at a point is expected to improve on the best, in logarithms.

The logarithm of expected improvement has useful gradients where the improvement itself is zero to a computer (Ament,
Daulton, Eriksson, Balandat, Bakshy: Unexpected Improvements to Expected Improvement, NeurIPS 2023). Running trials
are taken into account by fantasies (Snoek, Larochelle, Adams, NeurIPS 2012): the improvement is averaged over
what they may come to, which is the expected improvement of the whole batch, chosen one by one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from wildsage.search.gaussian_process import GaussianProcess

Array = NDArray[np.float64]

_ROOT_HALF_PI = np.sqrt(np.pi / 2)
_LOG_ROOT_TWO_PI = 0.5 * np.log(2 * np.pi)


def log_improvement(z: Array) -> Array:
    """Logarithm of ``φ(z) + z Φ(z)``: the expected improvement where the best lies z deviations above the mean."""
    found = np.empty_like(z)
    near = z > -1
    found[near] = np.log(np.exp(-0.5 * z[near] ** 2 - _LOG_ROOT_TWO_PI) + z[near] * ndtr(z[near]))
    far = z[~near]
    # Of the difference only 1/z² is left once rounding takes over.
    rest = np.where(far > -1e5, 1 + _ROOT_HALF_PI * far * erfcx(-far / np.sqrt(2)), 1 / (far * far))
    found[~near] = -0.5 * far * far - _LOG_ROOT_TWO_PI + np.log(rest)
    return found


def log_mean_exp(logarithms: Array) -> Array:
    """Logarithm of the mean of numbers given by their logarithms, (m, s): (m,)."""
    largest = logarithms.max(axis=1)
    found: Array = largest + np.log(np.exp(logarithms - largest[:, np.newaxis]).mean(axis=1))
    return found


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement:
    """Of a minimization.

    Attributes
    ----------
    process
        Has s sets of observations, one for each fantasy.
    best
        (s,): what has to be undercut in each.
    """

    process: GaussianProcess
    best: Array

    def __call__(self, points: Array) -> Array:
        """At points (m, columns): (m,)."""
        mean, variance = self.process.posterior(points)
        deviation = np.sqrt(variance)
        improvement = log_improvement((self.best - mean) / deviation[:, np.newaxis])
        return log_mean_exp(improvement) + np.log(deviation)

    def gradient(self, point: Array) -> tuple[float, Array]:
        """Value and derivative, (columns,), at one point (columns,)."""
        mean, variance, mean_slope, variance_slope = self.process.gradients(point)
        deviation = np.sqrt(variance)
        z = (self.best - mean) / deviation
        improvement = log_improvement(z)
        value = float(log_mean_exp(improvement[np.newaxis])[0])
        shares = np.exp(improvement - value) / len(improvement)
        by_z = shares * np.exp(log_ndtr(z) - improvement)
        deviation_slope = variance_slope / (2 * deviation)
        slope = (-(by_z @ mean_slope) + (1 - by_z @ z) * deviation_slope) / deviation
        return value + np.log(deviation), slope
