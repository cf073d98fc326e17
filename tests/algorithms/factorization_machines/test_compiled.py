"""The compiled kernel beside the numpy code that it stands for."""

import functools
import importlib.util

import numpy as np
import pytest
from tests.algorithms.factorization_machines.data import digits, ratings

from wildsage.algorithms.factorization_machines import FactorizationMachines
from wildsage.algorithms.factorization_machines.adam import Settings, Terms
from wildsage.algorithms.factorization_machines.artifact import decode
from wildsage.algorithms.factorization_machines.compiled import (
    Arranger,
    CompiledSteps,
    rehearse_arrange,
    rehearse_steps,
)
from wildsage.algorithms.factorization_machines.learner import Glance, Learner
from wildsage.algorithms.factorization_machines.machine import Machine
from wildsage.algorithms.factorization_machines.predictors import PREDICTORS
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit import kernels
from wildsage.toolkit.batches import Stretch, batches_of

WIDTH, FACTORS = 40, 5
SETTINGS = {
    "plain": Settings(Terms(0.1, 0.01, 0.02), Terms(0.0, 0.0, 0.0)),
    "decays": Settings(Terms(0.1, 0.01, 0.02), Terms(0.3, 0.2, 0.1)),
    "clipped": Settings(Terms(0.1, 0.01, 0.02), Terms(0.3, 0.2, 0.1), clip=0.05, rescale=0.01),
    "no eps": Settings(Terms(0.1, 0.001, 0.0001), Terms(0.0, 0.0, 0.0), rescale=0.1, eps=0.0),
}
with_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba comes with the extra kernels"
)


@functools.cache
def kernel():
    """The module of the kernels: whoever uses it first waits for numba."""
    return importlib.import_module("wildsage.algorithms.factorization_machines.kernel")


def some_rows(count, *, repeats=False, seed=0):
    """Rows of 0 to 5 entries, in any order; `repeats`: many have a column twice.

    The gradient of one feature alone is 0 for its factors, and rounding would make a step of it: so none is alone.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 2, 3, 4, 5], count)
    drawn = [rng.choice(WIDTH, size, replace=False) for size in sizes]
    if repeats:
        drawn = [np.append(columns, columns[:1]) for columns in drawn]
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns in drawn])])
    columns = np.concatenate(drawn)
    values = rng.normal(size=len(columns)).astype(np.float32)
    labels = rng.integers(0, 2, (count, 1)).astype(np.float32)
    return Rows(SparseRows(starts, columns, values, WIDTH), labels)


def learner(predictor, settings, factors=FACTORS):
    weights = np.random.default_rng(1).normal(0, 0.3, (WIDTH, 1 + factors)).astype(np.float32)
    return Learner(Machine(0.3, weights), PREDICTORS[predictor], settings, Glance(0.5, 0.5, 2.0))


def arranged(stretch, size):
    return Arranger(kernel().arrange, WIDTH).arranged(stretch, size)


def assert_same_steps(predictor, settings, rows, size=16, factors=FACTORS):
    ours, oracle = (learner(predictor, settings, factors) for _ in range(2))
    steps = CompiledSteps(ours, kernel().take_steps)
    arranger = Arranger(kernel().arrange, WIDTH)
    for epoch in range(2):
        stretch = Stretch(rows, np.random.default_rng(epoch).permutation(len(rows)))
        tallies = steps.tallies(arranger.arranged(stretch, size), size)
        wanted = []
        for batch in batches_of(stretch, size):
            gradient = oracle.gradient(batch)
            oracle.follow(gradient)
            wanted.append(gradient.tally)
        np.testing.assert_allclose(tallies, wanted, rtol=2e-4)
    np.testing.assert_allclose(ours.machine.weights, oracle.machine.weights, rtol=1e-3, atol=2e-4)
    assert ours.machine.bias == pytest.approx(oracle.machine.bias, rel=1e-4)
    np.testing.assert_allclose(ours.adam.squares, oracle.adam.squares, rtol=2e-3, atol=1e-6)
    assert np.array_equal(ours.adam.touches, oracle.adam.touches)
    assert ours.adam.steps == oracle.adam.steps == 2 * len(tallies)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_steps_are_those_of_numpy(predictor, settings, repeats):
    assert_same_steps(predictor, SETTINGS[settings], some_rows(150, repeats=repeats))


@pytest.mark.parametrize("factors", [1, 8, 16, 21])
def test_factors_fill_their_lanes_or_do_not(factors):
    assert_same_steps("regressor", SETTINGS["decays"], some_rows(60), factors=factors)


def test_dense_stretches_may_come_between_sparse_ones():
    ours, oracle = (learner("regressor", SETTINGS["decays"]) for _ in range(2))
    rows, steps = some_rows(32), CompiledSteps(ours, kernel().take_steps)
    dense = Rows(rows.features.dense(), rows.labels)
    for _ in range(2):
        steps.tallies(arranged(Stretch(rows, np.arange(32)), 32), 32)
        oracle.follow(oracle.gradient(rows))
        for one in (ours, oracle):
            one.follow(one.gradient(dense))
    np.testing.assert_allclose(ours.machine.weights, oracle.machine.weights, rtol=1e-3, atol=2e-4)


@with_numba
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_the_kernel_is_the_python_that_it_is_written_in(predictor, monkeypatch):
    for name, function in vars(kernel()).copy().items():
        if hasattr(function, "py_func"):
            monkeypatch.setattr(kernel(), name, function.py_func)
    assert not hasattr(kernel().take_steps, "py_func")
    assert_same_steps(predictor, SETTINGS["clipped"], some_rows(40))


def test_rows_that_are_better_off_with_numpy():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(8, WIDTH)).astype(np.float32)
    full = SparseRows(np.arange(9) * WIDTH, np.tile(np.arange(WIDTH), 8), dense.reshape(-1), WIDTH)
    for features in (dense, full):
        stretch = Stretch(Rows(features, np.zeros((8, 1), np.float32)), np.arange(8))
        assert arranged(stretch, 4) is None


def test_training_that_diverges_is_seen():
    steps = CompiledSteps(
        learner("regressor", Settings(Terms(1e30, 1e30, 1e30), Terms(0, 0, 0))), kernel().take_steps
    )
    tallies = steps.tallies(arranged(Stretch(some_rows(64), np.arange(64)), 16), 16)
    assert np.isfinite(tallies[0]).all()
    assert not np.isfinite(tallies[-1, 1])


def fitted(rows, labels, folder, **hyperparameters):
    FactorizationMachines(num_factors=4, **hyperparameters).fit(rows, labels).save(folder)
    return decode((folder / "model_algo-1").read_bytes(), "model_algo-1")[0]


class _Sparse:
    """What `fit` takes for a sparse matrix."""

    def __init__(self, rows):
        self.indptr, self.indices, self.data = rows.starts, rows.columns, rows.values
        self.shape = (len(rows), rows.width)

    def tocsr(self, copy):
        return self

    def sum_duplicates(self):
        pass


def test_a_model_is_the_same_without_numba(tmp_path, monkeypatch):
    rows, labels = ratings(2000)
    given = {"predictor_type": "regressor", "epochs": 2, "mini_batch_size": 100}
    with_it = fitted(_Sparse(rows), labels, tmp_path / "a", **given)
    again = fitted(_Sparse(rows), labels, tmp_path / "b", **given)
    assert np.array_equal(with_it.weights, again.weights)
    monkeypatch.setattr(kernels, "installed", lambda library: False)
    without = fitted(_Sparse(rows), labels, tmp_path / "c", **given)
    np.testing.assert_allclose(with_it.weights, without.weights, rtol=1e-2, atol=1e-3)
    assert with_it.bias == pytest.approx(without.bias, rel=1e-4)


def test_dense_rows_are_learnt_without_the_kernel(tmp_path, monkeypatch):
    (rows, labels), _ = digits()
    with_it = fitted(rows, labels, tmp_path / "a", predictor_type="binary_classifier")
    monkeypatch.setattr(kernels, "installed", lambda library: False)
    without = fitted(rows, labels, tmp_path / "b", predictor_type="binary_classifier")
    assert np.array_equal(with_it.weights, without.weights)


def test_a_rehearsal_takes_a_step():
    calls = []
    rehearse_steps(lambda *arguments: calls.append(arguments))
    (arguments,) = calls
    kernel().take_steps(*arguments)
    assert arguments[-1].tolist() != [[0, 0, 0]]


def test_a_rehearsal_arranges_a_row():
    calls = []
    rehearse_arrange(lambda *arguments: calls.append(arguments))
    (arguments,) = calls
    kernel().arrange(*arguments)
    assert arguments[-1].counts.tolist() == [1]
