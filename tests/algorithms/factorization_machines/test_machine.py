import itertools

import numpy as np
import pytest

from wildsage.algorithms.factorization_machines.blocks import block_of
from wildsage.algorithms.factorization_machines.machine import Machine, score
from wildsage.formats.sparse import SparseRows, from_dense

RNG = np.random.default_rng(0)


def machine(d, k):
    return Machine(0.7, RNG.normal(size=(d, 1 + k)).astype(np.float32))


def by_definition(model, row):
    """The model's equation, pair by pair."""
    linear, factors = model.weights[:, 0].astype(float), model.weights[:, 1:].astype(float)
    pairs = itertools.combinations(range(len(row)), 2)
    return model.bias + linear @ row + sum(factors[i] @ factors[j] * row[i] * row[j] for i, j in pairs)


def rows(n, d, share):
    return (RNG.normal(size=(n, d)) * (RNG.random((n, d)) < share)).astype(np.float32)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("kind", [np.asarray, from_dense], ids=["dense", "sparse"])
def test_scores_are_those_of_the_definition(kind, share):
    model, matrix = machine(12, 3), rows(40, 12, share)
    scored = score(model, block_of(kind(matrix)))
    np.testing.assert_allclose(
        scored.scores, [by_definition(model, row) for row in matrix], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("kind", [np.asarray, from_dense], ids=["dense", "sparse"])
def test_the_gradient_is_that_of_finite_differences(kind, share):
    model, matrix = machine(6, 2), rows(5, 6, share)
    slopes = RNG.normal(size=5).astype(np.float32)
    scored = score(model, block_of(kind(matrix)))
    gradient = np.zeros_like(model.weights)
    gradient[scored.block.columns] = scored.gradient(slopes)
    for place in np.ndindex(model.weights.shape):
        ends = []
        for step in (-0.5, 0.5):  # the score is quadratic in each parameter, so any width gives the slope
            moved = Machine(model.bias, model.weights.copy())
            moved.weights[place] += np.float32(step)
            ends.append(
                sum(slope * by_definition(moved, row) for slope, row in zip(slopes, matrix, strict=True))
            )
        assert gradient[place] == pytest.approx(ends[1] - ends[0], abs=1e-4)


def test_only_touched_columns_are_in_a_block():
    matrix = np.float32([[0, 2, 0, 0], [0, 1, 0, 3]])
    for features in (matrix, from_dense(matrix)):
        assert block_of(features).columns.tolist() == [1, 3]


def test_what_a_row_gives_twice_is_added_before_it_is_squared():
    model = machine(5, 2)
    twice = SparseRows(np.array([0, 3]), np.array([4, 1, 4]), np.float32([1, 2, 0.5]), 5)
    scores = score(model, block_of(twice)).scores
    assert scores[0] == pytest.approx(by_definition(model, [0, 2, 0, 0, 1.5]), rel=1e-5)


def test_rows_without_entries_score_the_bias():
    empty = SparseRows(np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), 5)
    np.testing.assert_allclose(score(machine(5, 2), block_of(empty)).scores, [0.7] * 3, rtol=1e-6)


@pytest.mark.parametrize("width", [1 << 10, 1 << 20, 1 << 31])
def test_columns_are_in_order_however_wide_the_rows_are(width):
    columns = np.random.default_rng(1).integers(width, size=300)
    rows = SparseRows(np.arange(0, 301, 3), columns, np.ones(300, np.float32), width)
    block = block_of(rows)
    assert block.columns.tolist() == sorted(set(columns.tolist()))
    spread = np.zeros((100, len(block.columns)))
    np.add.at(spread, (np.repeat(np.arange(100), 3), np.searchsorted(block.columns, columns)), 1)
    np.testing.assert_array_equal(block.rows.toarray(), spread)
