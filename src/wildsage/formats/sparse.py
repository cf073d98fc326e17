"""Rows of which only some columns are given, in compressed sparse row form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDEST = 1 << 31
"""Columns that a matrix may have: what libraries with 32-bit indices can number."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A matrix of n rows.

    Attributes
    ----------
    starts
        (n + 1,) int64: row i owns the entries ``starts[i]:starts[i + 1]``.
    columns
        (entries,) int64, from 0.
    values
        (entries,) float32.
    width
        Count of columns.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def place(self, entry: int) -> tuple[int, int]:
        """Tell the row and the column of an entry."""
        return int(np.searchsorted(self.starts, entry, "right")) - 1, int(self.columns[entry])

    def dense(self, fill: float = 0.0) -> NDArray[np.float32]:
        """Spread into an (n, width) matrix; columns that are not given hold `fill`."""
        matrix = np.full((len(self), self.width), fill, np.float32)
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        matrix[rows, self.columns] = self.values
        return matrix


def from_dense(matrix: NDArray[np.float32]) -> SparseRows:
    """Keep what is not zero."""
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return SparseRows(starts, columns, matrix[rows, columns], matrix.shape[1])


def take_rows(matrix: SparseRows, chosen: NDArray[np.int64] | slice) -> SparseRows:
    """Return some rows, in the order given."""
    if isinstance(chosen, slice):
        first, last, _ = chosen.indices(len(matrix))
        starts = matrix.starts[first : last + 1]
        entries: NDArray[np.int64] | slice = slice(int(starts[0]), int(starts[-1]))
        starts = starts - starts[0]
    else:
        begins = matrix.starts[chosen]
        counts = matrix.starts[chosen + 1] - begins
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        entries = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], counts)
    return SparseRows(starts, matrix.columns[entries], matrix.values[entries], matrix.width)


def stack(parts: Sequence[SparseRows]) -> SparseRows:
    """Put the rows of several matrices below each other; the widest gives the width."""
    offsets = np.cumsum([0, *(part.values.size for part in parts)])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets, strict=False)]
    return SparseRows(
        np.concatenate([np.zeros(1, np.int64), *starts]),
        np.concatenate([np.zeros(0, np.int64), *(part.columns for part in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(part.values for part in parts)]),
        max((part.width for part in parts), default=0),
    )
