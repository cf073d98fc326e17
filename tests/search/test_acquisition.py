import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from wildsage.search.acquisition import LogExpectedImprovement, log_improvement
from wildsage.search.gaussian_process import GaussianProcess, Kernel

KERNEL = Kernel(np.array([0.3, 0.6]), 1.0, 1e-3)


@pytest.fixture(scope="module")
def acquisition():
    rng = np.random.default_rng(2)
    points = rng.random((10, 2))
    targets = np.column_stack([np.cos(5 * points[:, 0]), np.sin(4 * points[:, 1])])
    return LogExpectedImprovement(GaussianProcess(KERNEL, points, targets), targets.min(axis=0))


def test_expected_improvement_is_the_mean_of_drawn_improvements(acquisition):
    x = np.random.default_rng(3).random((20, 2))
    mean, variance = acquisition.process.posterior(x)
    normal = np.random.default_rng(4).standard_normal(400_000)
    drawn = [
        np.mean(
            [
                np.maximum(best - m - normal * v**0.5, 0).mean()
                for m, best in zip(means, acquisition.best, strict=True)
            ]
        )
        for means, v in zip(mean, variance, strict=True)
    ]
    likely = np.array(drawn) > 1e-3
    assert likely.sum() > 5
    assert np.exp(acquisition(x))[likely] == pytest.approx(np.array(drawn)[likely], rel=0.05)


def test_the_gradient_is_the_slope(acquisition):
    for x in np.random.default_rng(6).random((10, 2)):
        value, gradient = acquisition.gradient(x)
        assert value == pytest.approx(acquisition(x[np.newaxis])[0])
        slope = approx_fprime(x, lambda at: acquisition(at[None])[0], 1e-7)
        assert gradient == pytest.approx(slope, rel=1e-3, abs=1e-3)


def exact_log_improvement(z: float) -> float:
    """By the continued series: φ(z) + zΦ(z) is the integral of Φ from -∞ to z, summed in enough digits."""
    with localcontext() as context:
        context.prec = 60
        # Φ(-x) = φ(x)/(x + 1/(x + 2/(x + 3/...))), Laplace's continued fraction.
        x, tail = Decimal(-z), Decimal(0)
        for term in range(3000, 0, -1):
            tail = term / (x + tail)
        ratio = 1 / (x + tail)
        return float((1 - x * ratio).ln()) - z * z / 2 - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("z", [-0.99, -1.01, -5.0, -30.0, -1000.0, -99_000.0, -101_000.0])
def test_the_logarithm_holds_where_the_improvement_is_zero_to_a_double(z):
    assert log_improvement(np.array([z]))[0] == pytest.approx(exact_log_improvement(z), rel=1e-7)


def test_the_logarithm_is_finite_and_rises_everywhere():
    z = -np.logspace(10, -3, 400)
    assert (np.diff(log_improvement(z)) > 0).all()
