"""Search in the nearest of many lists of rows, by FAISS: IVFFlat, and IVFPQ on compressed rows.

References
----------
H. Jégou, M. Douze, C. Schmid, "Product Quantization for Nearest Neighbor Search", IEEE TPAMI 33, 2011.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.knn.flat import Matrix, Metric
from wildsage.formats import extras
from wildsage.formats.errors import MissingLibraryError
from wildsage.toolkit.errors import AlgorithmError, UserError

_LEAST_FOR_PQ = 256
"""Codewords of a part: a byte's values."""


def faiss(what: str) -> Any:
    """Import FAISS.

    Raises
    ------
    AlgorithmError
        Naming the extra that brings it, if it is not installed; `what` needs it.
    """
    try:
        return extras.load("faiss", what, "knn")
    except MissingLibraryError as error:
        raise AlgorithmError(str(error)) from None


class InvertedIndex:
    """An index of FAISS that has lists, as FAISS's Python package gives it.

    Parameters
    ----------
    nprobe
        Lists to search; None: as many as the index says.
    """

    def __init__(self, index: Any, nprobe: int | None = None) -> None:
        self._library = faiss("the index")
        self._index = index
        if nprobe is not None:
            index.nprobe = min(nprobe, index.nlist)
        self.metric: Metric = (
            "INNER_PRODUCT" if index.metric_type == self._library.METRIC_INNER_PRODUCT else "L2"
        )

    @property
    def dimension(self) -> int:
        """Columns of a row."""
        return int(self._index.d)

    @property
    def count(self) -> int:
        """Rows."""
        return int(self._index.ntotal)

    def search(self, queries: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
        """Find about the k nearest of each query, the nearest first.

        Where the nearest lists hold fewer than k rows, all lists are searched.

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
        queries = np.ascontiguousarray(queries)
        distances, found = self._index.search(queries, k)
        few = found[:, -1] < 0
        if few.any():
            everywhere = self._library.SearchParametersIVF(nprobe=self._index.nlist)
            distances[few], found[few] = self._index.search(queries[few], k, params=everywhere)
        # Compressed rows may come out a little below zero.
        return np.sqrt(np.maximum(distances, 0)) if self.metric == "L2" else distances, found


def build(vectors: Matrix, metric: Metric, lists: int | None, parts: int | None) -> Any:
    """Train an index of FAISS on rows, and add them.

    Parameters
    ----------
    vectors
        (n, d); d is a multiple of `parts`.
    lists
        None: the root of n.
    parts
        Bytes that are kept of a row; None: all of it is kept.

    Raises
    ------
    UserError
        For fewer rows than it needs.
    AlgorithmError
        If FAISS is not installed.
    """
    count, width = vectors.shape
    library = faiss("index_type faiss.IVFFlat" if parts is None else "index_type faiss.IVFPQ")
    lists = max(1, math.isqrt(count)) if lists is None else lists
    if lists > count:
        raise UserError(
            f"faiss_index_ivf_nlists is {lists}, but the sample has only {count} rows: give fewer, or auto"
        )
    if parts is not None and count < _LEAST_FOR_PQ:
        raise UserError(
            f"index_type faiss.IVFPQ needs at least {_LEAST_FOR_PQ} rows, but the sample has {count}: "
            "give more data or a larger sample_size, or use faiss.Flat"
        )
    kind = library.METRIC_L2 if metric == "L2" else library.METRIC_INNER_PRODUCT
    # np: no order of codes for polysemous search, which takes by far the longest and which nothing here does.
    index = library.index_factory(width, f"IVF{lists},{'Flat' if parts is None else f'PQ{parts}x8np'}", kind)
    for clustering in (index.cp,) if parts is None else (index.cp, index.pq.cp):
        clustering.min_points_per_centroid = 1  # else FAISS warns of few rows, once for each part
    index.train(vectors)
    index.add(vectors)
    # The file keeps it. FAISS's own default is one list, which loses a third of the neighbours.
    index.nprobe = math.isqrt(lists - 1) + 1
    return index
