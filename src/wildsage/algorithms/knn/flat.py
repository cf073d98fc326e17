"""Exact search: every row is looked at.

FAISS does it where it is installed, else numpy. Both find the nearest by products of matrices in float32 (FAISS for
large requests only), which round: so a few more candidates than asked for are measured again, one by one, and on rows that are shifted to their
mean, far from which float32 has no digits left for distances.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import extras

Metric = Literal["L2", "INNER_PRODUCT"]
Matrix = NDArray[np.float32]

SPARE = 2
"""Candidates beyond those asked for."""
_NUMBER = (1 << 32) - 1
"""The lower half of a sorted number: which row."""
_AT_ONCE = 1 << 22
"""Products of queries and rows in memory at once, without FAISS."""
_MEASURED_AT_ONCE = 1 << 18
"""Numbers of candidates that are gathered at once: they stay in the processor's cache."""


class FlatIndex:
    """Finds the nearest of some rows.

    Parameters
    ----------
    vectors
        (n, d), at least one row.
    """

    def __init__(self, vectors: Matrix, metric: Metric) -> None:
        self.metric: Metric = metric
        self._origin = np.zeros(vectors.shape[1], np.float32)
        if metric == "L2":  # an inner product is not the same after a shift
            self._origin = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._vectors = np.ascontiguousarray(vectors - self._origin)
        self._library: Any = extras.load("faiss", "k-NN", "knn") if extras.installed("faiss") else None

    @property
    def dimension(self) -> int:
        """Columns of a row."""
        return len(self._origin)

    @property
    def count(self) -> int:
        """Rows."""
        return len(self._vectors)

    def search(self, queries: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
        """Find the k nearest of each query, the nearest first; of equally near ones, the first of the rows.

        Parameters
        ----------
        queries
            (m, d).
        k
            At most `count`.

        Returns
        -------
        Euclidean distances or inner products, (m, k), and numbers of rows, (m, k).
        """
        queries = np.ascontiguousarray(queries - self._origin)
        wanted = min(k + SPARE, self.count)
        found = self._by_faiss(queries, wanted) if self._library else self._by_numpy(queries, wanted)
        measure = self._measured_by_faiss if self._library else self._measured_by_numpy
        measured = measure(queries, found)
        measured, found = _nearest(measured, found, k)
        return np.sqrt(measured) if self.metric == "L2" else -measured, found

    def _by_faiss(self, queries: Matrix, k: int) -> NDArray[np.int64]:
        metric = self._library.METRIC_L2 if self.metric == "L2" else self._library.METRIC_INNER_PRODUCT
        found: NDArray[np.int64] = self._library.knn(queries, self._vectors, k, metric=metric)[1]
        return found

    def _by_numpy(self, queries: Matrix, k: int) -> NDArray[np.int64]:
        halves = (
            np.einsum("nd,nd->n", self._vectors, self._vectors) / 2 if self.metric == "L2" else np.zeros(1)
        )
        found = np.empty((len(queries), k), np.int64)
        step = max(1, _AT_ONCE // self.count)
        for start in range(0, len(queries), step):
            far = queries[start : start + step] @ self._vectors.T
            np.subtract(halves, far, out=far)
            found[start : start + step] = np.argpartition(far, k - 1, axis=1)[:, :k]
        return found

    def _measured_by_faiss(self, queries: Matrix, found: NDArray[np.int64]) -> Matrix:
        """Squared distances, or inner products with their sign turned, to rows by their numbers: (m, c)."""
        library, measured = self._library, np.empty(found.shape, np.float32)
        measure = library.fvec_L2sqr_by_idx if self.metric == "L2" else library.fvec_inner_products_by_idx
        arrays = (library.swig_ptr(array) for array in (measured, queries, self._vectors, found))
        measure(*arrays, self.dimension, *found.shape)
        return measured if self.metric == "L2" else -measured

    def _measured_by_numpy(self, queries: Matrix, found: NDArray[np.int64]) -> Matrix:
        """Measure the same without FAISS."""
        measured = np.empty(found.shape, np.float32)
        step = max(1, _MEASURED_AT_ONCE // (found.shape[1] * self.dimension))
        # One room for all parts: to allocate it anew takes longer than to fill it.
        room = np.empty((min(step, len(queries)), found.shape[1], self.dimension), np.float32)
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            asked = queries[part, np.newaxis]
            rows = room[: len(asked)]
            np.take(self._vectors, found[part], axis=0, out=rows, mode="clip")
            if self.metric == "L2":
                rows -= asked
                np.einsum("qcd,qcd->qc", rows, rows, out=measured[part])
            else:
                np.einsum("qcd,qcd->qc", rows, np.broadcast_to(-asked, rows.shape), out=measured[part])
        return measured


def _nearest(measured: Matrix, found: NDArray[np.int64], k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Sort the candidates of each row by what was measured, then by their number, and keep k.

    Both are sorted as one number, with the bits of the float above the other: several times as fast as to sort
    places and to take by them.
    """
    keys = (_ascending(measured.view(np.int32)).astype(np.int64) << 32) | found
    keys.sort(axis=1)
    keys = keys[:, :k]
    return _ascending((keys >> 32).astype(np.int32)).view(np.float32), keys & _NUMBER


def _ascending(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turn bits of float32 into numbers of the same order, and back: of those below 0 the larger bits are farther."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
