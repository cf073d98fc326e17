import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from wildsage.search import gaussian_process
from wildsage.search.gaussian_process import GaussianProcess, Kernel

GROUPS = np.array([0, 1, 1, 2])
PRIOR = gaussian_process.prior(2, 1)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    points = rng.random((25, 4))
    targets = np.sin(6 * points[:, 0]) + points[:, 1] ** 2 + 0.05 * rng.standard_normal(25)
    return points, (targets - targets.mean()) / targets.std(), rng.random((7, 4))


KERNEL = Kernel(np.array([0.3, 0.7, 0.7, 2.0]), 1.7, 0.01)


def test_the_posterior_is_that_of_the_textbook(data):
    points, targets, x = data
    mean, variance = GaussianProcess(KERNEL, points, targets[:, np.newaxis]).posterior(x)

    def k(a, b):
        r = np.sqrt((((a[:, None] - b[None]) / KERNEL.lengths) ** 2).sum(-1))
        return 1.7 * (1 + 5**0.5 * r + 5 / 3 * r**2) * np.exp(-(5**0.5) * r)

    inverse = np.linalg.inv(k(points, points) + (0.01 + 1.7e-8) * np.eye(25))
    assert mean[:, 0] == pytest.approx(k(x, points) @ inverse @ targets, abs=1e-9)
    expected = 1.7 - np.diag(k(x, points) @ inverse @ k(points, x))
    assert variance == pytest.approx(expected, abs=1e-9)


def test_the_posterior_is_that_of_scikit_learn(data):
    points, targets, x = data
    kernel = ConstantKernel(1.7, "fixed") * Matern(KERNEL.lengths, "fixed", nu=2.5)
    peer = GaussianProcessRegressor(kernel, alpha=0.01 + 1.7e-8, optimizer=None).fit(points, targets)
    mean, covariance = GaussianProcess(KERNEL, points, targets[:, np.newaxis]).joint(x)
    their_mean, theirs = peer.predict(x, return_cov=True)
    assert mean[:, 0] == pytest.approx(their_mean, abs=1e-8)
    assert covariance == pytest.approx(theirs, abs=1e-8)


def test_the_marginal_likelihood_is_that_of_scikit_learn(data):
    points, targets, _ = data
    kernel = ConstantKernel(1.7) * Matern(np.ones(4), nu=2.5)
    peer = GaussianProcessRegressor(kernel, alpha=0.01 + 1.7e-8, optimizer=None).fit(points, targets)
    logarithms = np.log([0.3, 0.7, 2.0, 1.7, 0.01])
    found, _ = gaussian_process.loss(logarithms, points, GROUPS, targets, PRIOR)
    prior = 0.5 * (((logarithms - PRIOR.means) / PRIOR.deviations) ** 2).sum()
    theirs = -peer.log_marginal_likelihood(np.log([1.7, *KERNEL.lengths])) - 25 / 2 * np.log(2 * np.pi)
    assert found - prior == pytest.approx(theirs, abs=1e-7)


def test_the_gradient_of_the_loss_is_its_slope(data):
    points, targets, _ = data
    logarithms = np.log([0.3, 0.7, 2.0, 1.7, 0.01])
    _, gradient = gaussian_process.loss(logarithms, points, GROUPS, targets, PRIOR)
    slope = approx_fprime(
        logarithms, lambda at: gaussian_process.loss(at, points, GROUPS, targets, PRIOR)[0], 1e-6
    )
    assert gradient == pytest.approx(slope, abs=1e-4)


def test_the_gradients_of_the_posterior_are_its_slopes(data):
    points, targets, x = data
    process = GaussianProcess(KERNEL, points, np.column_stack([targets, targets**2]))
    mean, variance, mean_slope, variance_slope = process.gradients(x[0])
    expected_mean, expected_variance = process.posterior(x[:1])
    assert mean == pytest.approx(expected_mean[0])
    assert variance == pytest.approx(expected_variance[0])
    for index in range(2):
        slope = approx_fprime(x[0], lambda at, i=index: process.posterior(at[None])[0][0, i], 1e-6)
        assert mean_slope[index] == pytest.approx(slope, abs=1e-4)
    slope = approx_fprime(x[0], lambda at: process.posterior(at[None])[1][0], 1e-6)
    assert variance_slope == pytest.approx(slope, abs=1e-4)


def test_a_fit_finds_what_matters(data):
    points, targets, _ = data
    kernel = gaussian_process.fit(points, GROUPS, targets, gaussian_process.prior(3))
    relevant, _, irrelevant = kernel.lengths[[0, 1, 3]]
    assert irrelevant > 3 * relevant
    assert kernel.lengths[1] == kernel.lengths[2]
    x = np.random.default_rng(7).random((500, 4))
    mean, _ = GaussianProcess(kernel, points, targets[:, np.newaxis]).posterior(x)
    truth = np.sin(6 * x[:, 0]) + x[:, 1] ** 2
    # 25 trials of four numbers.
    assert np.corrcoef(mean[:, 0], truth)[0, 1] > 0.9


def test_points_at_one_place_do_no_harm():
    points = np.zeros((6, 2))
    targets = np.array([1.0, -1, 1, -1, 1, -1])
    kernel = gaussian_process.fit(points, np.arange(2), targets, gaussian_process.prior(2))
    mean, variance = GaussianProcess(kernel, points, targets[:, np.newaxis]).posterior(np.zeros((1, 2)))
    assert abs(mean[0, 0]) < 0.1
    assert variance[0] > 0


def test_a_root_is_one_also_where_a_matrix_is_singular():
    covariance = np.ones((3, 3))
    root = gaussian_process.root(covariance)
    assert root @ root.T == pytest.approx(covariance)
