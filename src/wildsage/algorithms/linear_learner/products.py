"""Products of a batch's features with the weights of many models, dense or sparse.

Products of sparse rows are scipy's where the extra ``sparse`` is installed: of 32 models ten times as fast.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.extras import installed, load
from wildsage.formats.sparse import SparseRows

Array = NDArray[np.float32]
Features = Array | SparseRows

_SPREAD_DENSITY = 0.01
"""A matrix product of dense rows is faster than sums over the entries from about one entry in a hundred on."""
_MOST_SPREAD = 1 << 24
"""Numbers that a batch may be spread into."""
_LARGE = 1 << 18
"""Multiplications from which on a sparse product is worth the import of scipy; the requests of an endpoint have fewer."""


def spread(features: Features) -> Features:
    """Spread sparse rows into dense ones where products are faster so, and memory allows it."""
    if isinstance(features, SparseRows):
        size = len(features) * features.width
        if size <= min(_MOST_SPREAD, features.values.size / _SPREAD_DENSITY):
            return features.dense()
    return features


def times(features: Features, weights: Array) -> Array:
    """Return features @ weights: (n, d) times (d, k)."""
    if not isinstance(features, SparseRows):
        return _product("ij,jk->ik", features, weights) if weights.shape[1] == 1 else features @ weights
    if _is_large(features, weights):
        return np.asarray(_matrix(features) @ weights)
    result = np.empty((len(features), weights.shape[1]), np.float32)
    rows = _rows_of(features)
    for column in range(weights.shape[1]):
        parts = features.values * weights[features.columns, column]
        result[:, column] = np.bincount(rows, parts, len(features))
    return result


def transposed_times(features: Features, slopes: Array) -> Array:
    """Return features.T @ slopes: (d, n) times (n, k)."""
    if not isinstance(features, SparseRows):
        return _product("ij,ik->jk", features, slopes) if slopes.shape[1] == 1 else features.T @ slopes
    if _is_large(features, slopes):
        return np.asarray(_matrix(features).T @ slopes)
    result = np.empty((features.width, slopes.shape[1]), np.float32)
    rows = _rows_of(features)
    for column in range(slopes.shape[1]):
        parts = features.values * slopes[rows, column]
        result[:, column] = np.bincount(features.columns, parts, features.width)
    return result


def column_sums(features: Features, shift: NDArray[np.float64], power: int) -> NDArray[np.float64]:
    """Return the sum of (x - shift) to a power over the rows, (d,)."""
    if not isinstance(features, SparseRows):
        sums: NDArray[np.float64] = ((features - shift) ** power).sum(axis=0)
        return sums
    given = np.bincount(features.columns, minlength=features.width)
    parts = (features.values - shift[features.columns]) ** power
    present = np.bincount(features.columns, parts, features.width)
    return present + (len(features) - given) * (-shift) ** power


def _product(indices: str, features: Array, column: Array) -> Array:
    """Multiply with one column on this thread alone.

    It is as fast as BLAS on one thread. Threads of BLAS wait for each other after every product, beside other work on
    the same cores several times as long as the product takes.
    """
    return np.asarray(np.einsum(indices, features, column))


def _is_large(features: SparseRows, columns: Array) -> bool:
    return features.values.size * columns.shape[1] >= _LARGE and installed("scipy")


def _matrix(features: SparseRows) -> Any:
    """Return sparse rows as a matrix of scipy, without copying them."""
    sparse = load("scipy.sparse", "products of sparse rows", "sparse")
    parts = (features.values, features.columns, features.starts)
    return sparse.csr_matrix(parts, shape=(len(features), features.width), copy=False)


def _rows_of(features: SparseRows) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(features)), np.diff(features.starts))
