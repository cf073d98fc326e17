"""Losses made as normal as a power can make them: Yeo and Johnson, Biometrika 87 (2000).

A Gaussian process believes that what it regresses is normally distributed. Losses are not: they often have a long tail
of bad values, which would decide about lengths while the good ones look all the same. HEBO (Cowen-Rivers et al.,
JAIR 2022) found the transformation one of the largest gains of all.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]

_POWERS = (-3.0, 3.0)
_LEAST_DEVIATION = 1e-12
_WIDEST = 1e6
"""Standardized losses beyond are all the same: powers of larger numbers overflow."""

_TAIL = 100.0
"""Losses so many times as far above the median as the best is below it are all the same: one trial that diverged
to 1e30 would leave nothing between the others."""


@dataclass(frozen=True, slots=True)
class PowerTransform:
    """A monotonic function of losses, whose results have mean 0 and deviation 1.

    Attributes
    ----------
    most
        Losses above it are taken for this.
    centre, width
        Of the losses, before the power.
    mean, deviation
        After the power.
    """

    most: float
    centre: float
    width: float
    power: float
    mean: float
    deviation: float

    def __call__(self, losses: Array) -> Array:
        """Transform losses."""
        standard = _standard(np.minimum(losses, self.most), self.centre, self.width)
        return (_powered(standard, self.power) - self.mean) / self.deviation

    def inverse(self, transformed: Array) -> Array:
        """The losses that come to some values; the farthest ones where a value is out of reach."""
        standard = _unpowered(transformed * self.deviation + self.mean, self.power)
        return self.centre + self.width * standard


def fit(losses: Array) -> PowerTransform:
    """Find the transform under which losses, (n,), are most likely to be normal.

    Losses that are all the same are only moved to 0; none stay as they are.
    """
    if not len(losses):
        return PowerTransform(np.inf, 0.0, 1.0, 1.0, 0.0, 1.0)
    median, best = float(np.median(losses)), float(losses.min())
    most = median + _TAIL * (median - best) if median > best else 1e100
    losses = np.minimum(losses, most)
    centre, width = float(np.mean(losses)), float(np.std(losses))
    if width <= _LEAST_DEVIATION * abs(centre):
        return PowerTransform(most, centre, 1.0, 1.0, 0.0, 1.0)
    standard = _standard(losses, centre, width)
    power = float(minimize_scalar(_unlikelihood, bounds=_POWERS, args=(standard,), method="bounded").x)
    powered = _powered(standard, power)
    return PowerTransform(most, centre, width, power, float(powered.mean()), float(powered.std()))


def _standard(losses: Array, centre: float, width: float) -> Array:
    return np.clip((losses - centre) / width, -_WIDEST, _WIDEST)


def _unlikelihood(power: float, standard: Array) -> float:
    """Negative logarithm of the likelihood (Yeo and Johnson, equation 3.1), the variance profiled out."""
    spread = float(np.var(_powered(standard, power)))
    jacobian = (power - 1) * float(np.sum(np.sign(standard) * np.log1p(np.abs(standard))))
    return 0.5 * len(standard) * math.log(max(spread, 1e-300)) - jacobian


def _powered(standard: Array, power: float) -> Array:
    """Box and Cox's power of what is above 0, and of 2 - power of what is below, mirrored."""
    size = np.log1p(np.abs(standard))
    exponents = np.where(standard >= 0, power, 2 - power)
    return np.sign(standard) * _box_cox(size, exponents)


def _box_cox(logarithms: Array, exponents: Array) -> Array:
    flat = np.abs(exponents) < 1e-9
    safe = np.where(flat, 1.0, exponents)
    return np.where(flat, logarithms, np.expm1(safe * logarithms) / safe)


def _unpowered(values: Array, power: float) -> Array:
    exponents = np.where(values >= 0, power, 2 - power)
    flat = np.abs(exponents) < 1e-9
    safe = np.where(flat, 1.0, exponents)
    # A negative exponent bounds what can be reached.
    inner = np.maximum(safe * np.abs(values), -1 + 1e-12)
    logarithms = np.where(flat, np.abs(values), np.log1p(inner) / safe)
    limit = np.log1p(_WIDEST)
    return np.sign(values) * np.expm1(np.minimum(logarithms, limit))
