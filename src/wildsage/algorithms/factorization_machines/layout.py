"""What the compiled kernel is given: arrays, grouped in tuples that numba takes apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F = np.float32
Lane = tuple[F, F, F, F, F, F, F, F]
"""Factors of a feature that are worked with together."""
LANE = 8


def lanes_of(terms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return terms, (d, 1 + k), with zeros behind the last factor where they do not end with a lane: (d, 1 + 8l)."""
    width = terms.shape[1]
    missing = (1 - width) % LANE
    return np.pad(terms, ((0, 0), (0, missing))) if missing else terms


class Data(NamedTuple):
    """Sparse rows in which no column comes twice, and their labels.

    Attributes
    ----------
    starts, columns
        (n + 1,) and (entries,) uint32.
    values, labels
        (entries,) and (n,) float32.
    """

    starts: NDArray[np.uint32]
    columns: NDArray[np.uint32]
    values: NDArray[np.float32]
    labels: NDArray[np.float32]


class Stretched(NamedTuple):
    """Some batches of rows side by side: m rows, e entries.

    Attributes
    ----------
    starts, labels, columns, values
        (m + 1,), (m,), (e,) and (e,), as in `Data`.
    ends
        (m,): of the rows in the data.
    places
        (e,): the place of an entry's feature among those that its batch touches.
    touched
        (e,): the features of a batch by their places, from the batch's first entry on.
    counts
        (batches,): how many features each touches.
    """

    starts: NDArray[np.uint32]
    ends: NDArray[np.uint32]
    labels: NDArray[np.float32]
    columns: NDArray[np.uint32]
    values: NDArray[np.float32]
    places: NDArray[np.uint32]
    touched: NDArray[np.uint32]
    counts: NDArray[np.int64]


class Parameters(NamedTuple):
    """What is learnt, and the averages of Adam; all are changed in place.

    Attributes
    ----------
    weights, means, squares
        (d, 1 + 8l): the linear term and l lanes.
    touches
        (d,) int32.
    bias
        (4,) float64: the bias, its averages, the count of steps.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    squares: NDArray[np.float32]
    touches: NDArray[np.int32]
    bias: NDArray[np.float64]


class Rules(NamedTuple):
    """The settings of a step.

    Attributes
    ----------
    lengths
        (2, t): of the steps of linear terms and of factors, by the count of touches before.
    """

    lengths: NDArray[np.float32]
    rescale: np.float32
    clip: np.float32
    linear_decay: np.float32
    factors_decay: np.float32
    eps: np.float32
    bias_rate: float
    bias_decay: float


class Scratch(NamedTuple):
    """Room for one batch that touches u features at most.

    Attributes
    ----------
    sums
        (1 + 8l,): of a row, the first is not used.
    gradient, own
        (u, 1 + 8l) and (u,): of each feature touched, and the sum of ``slope x²``; 0 outside of a batch.
    """

    sums: NDArray[np.float32]
    gradient: NDArray[np.float32]
    own: NDArray[np.float32]
