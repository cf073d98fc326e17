"""Fewer columns that keep distances and inner products, about: two random linear maps.

Both are drawn from the raw numbers of PCG64, which are the same in every version of numpy, so a model needs to
keep the seed only.

References
----------
D. Achlioptas, "Database-friendly random projections: Johnson-Lindenstrauss with binary coins", JCSS 66, 2003.
N. Ailon, B. Chazelle, "The Fast Johnson-Lindenstrauss Transform and Approximate Nearest Neighbors", SIAM Journal on
Computing 39, 2009.
J. Tropp, "Improved Analysis of the Subsampled Randomized Hadamard Transform", Advances in Adaptive Data Analysis 3,
2011.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import PCG64
from numpy.typing import NDArray

Kind = Literal["sign", "fjlt"]

_AT_ONCE = 1 << 18
"""Numbers that are transformed at once: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """Which map it is. `mapping` draws it.

    Attributes
    ----------
    kind
        ``sign``: O(d t) a row; ``fjlt``: O(d log d), so faster where the target is large.
    input_dim, target_dim
        d and t, columns before and after.
    """

    kind: Kind
    seed: int
    input_dim: int
    target_dim: int

    def mapping(self) -> "SignProjection | HadamardTransform":
        """Draw the map."""
        source = PCG64(self.seed)
        if self.kind == "sign":
            signs = _signs(source, self.input_dim * self.target_dim)
            return SignProjection(
                signs.reshape(self.input_dim, self.target_dim) / np.float32(np.sqrt(self.target_dim))
            )
        padded = 1 << (self.input_dim - 1).bit_length()
        signs = _signs(source, self.input_dim)
        chosen = np.argsort(source.random_raw(padded), kind="stable")[: self.target_dim]
        return HadamardTransform(signs, chosen, padded)


@dataclass(frozen=True, slots=True)
class SignProjection:
    """A product with random signs, scaled by the root of the target.

    Attributes
    ----------
    matrix
        (d, t).
    """

    matrix: NDArray[np.float32]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce rows: (n, d) to (n, t)."""
        return rows @ self.matrix


@dataclass(frozen=True, slots=True)
class HadamardTransform:
    """Random signs, the Walsh-Hadamard transform, and a sample of its columns.

    Attributes
    ----------
    signs
        (d,), 1 or -1.
    chosen
        (t,), columns of the transform.
    padded
        The power of two that rows are padded to.
    """

    signs: NDArray[np.float32]
    chosen: NDArray[np.int64]
    padded: int

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce rows: (n, d) to (n, t)."""
        reduced = np.empty((len(rows), len(self.chosen)), np.float32)
        step = max(1, _AT_ONCE // self.padded)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            columns = np.zeros((self.padded, len(part)), np.float32)
            columns[: len(self.signs)] = (part * self.signs).T
            reduced[start : start + step] = hadamard(columns)[self.chosen].T
        return reduced / np.float32(np.sqrt(len(self.chosen)))


def hadamard(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Transform each column in place, without scaling: (p, n), p a power of two. Returns the same array."""
    size, count = columns.shape
    half = 1
    while half < size:
        pairs = columns.reshape(-1, 2, half * count)
        first, second = pairs[:, 0], pairs[:, 1]
        difference = first - second
        first += second
        second[...] = difference
        half *= 2
    return columns


def _signs(source: PCG64, count: int) -> NDArray[np.float32]:
    """Draw 1 or -1: a bit of the source each, the least significant byte first."""
    raw: Any = source.random_raw(-(-count // 64))
    bits = np.unpackbits(raw.astype("<u8").view(np.uint8), count=count)
    return 1 - 2 * bits.astype(np.float32)
