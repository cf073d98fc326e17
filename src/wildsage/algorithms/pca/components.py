"""The mathematics of PCA: what is kept of the rows, and the components in it.

A pass over the rows adds up their scatter matrix, or its product with a few directions, from which the main part of
the matrix is found again. Sums of several hosts are added.

References
----------
T. Chan, G. Golub, R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
J. Tropp et al., "Fixed-Rank Approximation of a Positive-Semidefinite Matrix from Streaming Data", NIPS 2017.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Components:
    """A trained model. Components are in the order of AWS's artifacts: the largest is the last.

    Attributes
    ----------
    mean
        (d,), taken from the rows first; zeros where it is not.
    directions
        (d, k), orthonormal columns.
    singular_values
        (k,), of the matrix of all rows.
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    singular_values: NDArray[np.float64]


class Moments:
    """Count, mean and scatter of the rows seen.

    Parameters
    ----------
    width
        d, the rows' columns.
    basis
        (d, l): only the scatter's product with it is kept; None: all of the scatter.
    coarse
        A batch is multiplied in single precision, in half the time: enough to come closer to a space.
    """

    def __init__(self, width: int, basis: NDArray[np.float64] | None = None, *, coarse: bool = False) -> None:
        self.count = 0
        self._basis = basis
        self._precision: type[np.floating[Any]] = np.float32 if coarse else np.float64
        # Sums are taken around the mean of the first rows: far from it their differences would lose digits.
        self._origin = np.zeros(width)
        self._sum = np.zeros(width)
        self._products = np.zeros((width, width if basis is None else basis.shape[1]))

    def observe(self, batch: NDArray[np.float32]) -> None:
        """Take in rows: (m, d)."""
        if self.count == 0:
            # Of single precision, so that the rows' distances to it are as exact as they are.
            self._origin = batch.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        points = batch - self._origin.astype(self._precision)
        self._sum += points.sum(axis=0, dtype=np.float64)
        right = points if self._basis is None else points @ self._basis.astype(self._precision)
        self._products += points.T @ right
        self.count += len(batch)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(d,); zeros before the first row."""
        mean: NDArray[np.float64] = self._origin + self._sum / max(self.count, 1)
        return mean

    def scatter(self, centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of ``(x - centre)(x - centre)ᵀ`` over the rows, (d, d), or its product with the basis, (d, l)."""
        offset = self._origin - centre
        left = np.stack([self._sum + self.count * offset, offset], axis=1)
        right = np.stack([offset, self._sum])
        return self._products + left @ (right if self._basis is None else right @ self._basis)


def components_of(scatter: NDArray[np.float64], mean: NDArray[np.float64], k: int) -> Components:
    """Find the k main directions of a scatter matrix.

    Parameters
    ----------
    mean
        What was taken from the rows.
    """
    values, vectors = np.linalg.eigh(scatter)
    return Components(mean, _signed(vectors[:, -k:]), np.sqrt(np.maximum(values[-k:], 0)))


def first_basis(width: int, size: int, rng: Generator) -> NDArray[np.float64]:
    """Draw orthonormal directions: (width, size), no more than `width` of them."""
    return orthonormal(rng.normal(size=(width, min(size, width))))


def orthonormal(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a basis of the space that the columns span: one more pass with it comes closer to the main directions."""
    basis: NDArray[np.float64] = np.linalg.qr(products)[0]
    return basis


def components_from(
    products: NDArray[np.float64], basis: NDArray[np.float64], mean: NDArray[np.float64], k: int
) -> Components:
    """Find the k main directions of a scatter matrix of which only ``scatter @ basis`` is known (Nyström).

    Parameters
    ----------
    products, basis
        (d, l), l of at least k; the basis is orthonormal.
    """
    # A little is added to the matrix, and taken from its values again, so that the root below exists.
    shift = np.sqrt(len(basis)) * np.finfo(np.float64).eps * max(float(np.linalg.norm(products)), 1e-300)
    shifted = products + shift * basis
    core = basis.T @ shifted
    root = np.linalg.cholesky((core + core.T) / 2)
    half = np.linalg.solve(root, shifted.T).T
    vectors, values, _ = np.linalg.svd(half, full_matrices=False)
    kept = np.sqrt(np.maximum(values[:k][::-1] ** 2 - shift, 0))
    return Components(mean, _signed(vectors[:, :k][:, ::-1]), kept)


def _signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each column so that its largest entry is positive: a sign that does not depend on the machine."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return directions * np.where(signs == 0, 1, signs)


def lost(batches: Iterator[NDArray[np.float32]], model: Components) -> float:
    """Mean squared distance of rows to what their projections give back, per row.

    Parameters
    ----------
    batches
        Of rows: (m, d).
    """
    total = 0.0
    count = 0
    for batch in batches:
        rows = batch - model.mean
        projected = rows @ model.directions
        total += float(np.vdot(rows, rows) - np.vdot(projected, projected))
        count += len(batch)
    return max(total, 0.0) / count
