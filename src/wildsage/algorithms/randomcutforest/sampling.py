"""A uniform sample without replacement of a stream, in one pass, by several hosts at once.

Each row draws a key; the rows with the smallest keys are the sample (reservoir sampling by bottom-k keys). Samples
of parts of the data, put together and cut to the smallest keys again, are a sample of the whole.

Source: B.-H. Park et al., "Reservoir-Based Random Sampling with Replacement from Data Stream", SDM 2004, without
its replacement; P. Efraimidis and P. Spirakis, "Weighted Random Sampling with a Reservoir", 2006, with equal weights.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_LEAST = 64
"""Rows of a tree: fewer say too little of where the data lies."""
_PART = 10
"""A tree has one row in ten at most: in larger shares of a small sample, anomalies hide each other."""


class Reservoir:
    """The rows of a stream that have the smallest keys.

    Parameters
    ----------
    capacity
        Rows of the sample; fewer where the stream is shorter.
    width
        Columns of a row.
    """

    def __init__(self, capacity: int, width: int, rng: Generator) -> None:
        self.seen = 0
        self.capacity = capacity
        self._rng = rng
        self._parts = [np.empty((0, width), np.float32)]
        self._keys = [np.empty(0)]
        self._waiting = 0
        self._bound = np.inf

    def observe(self, batch: NDArray[np.float32]) -> None:
        """Take in rows: (m, width). Memory stays below twice the capacity and a batch."""
        keys = self._rng.random(len(batch))
        chosen = np.flatnonzero(keys < self._bound)
        self._parts.append(batch[chosen])
        self._keys.append(keys[chosen])
        self.seen += len(batch)
        self._waiting += len(chosen)
        if self._waiting > self.capacity:
            self._cut()

    def sample(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return rows and their keys, at most `capacity` of them."""
        self._cut()
        return self._parts[0], self._keys[0]

    def _cut(self) -> None:
        rows, keys = smallest(np.concatenate(self._parts), np.concatenate(self._keys), self.capacity)
        self._parts, self._keys, self._waiting = [rows], [keys], 0
        if len(keys) == self.capacity:
            self._bound = float(keys.max())


def smallest(
    rows: NDArray[np.float32], keys: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the rows with the smallest keys, in their order, and these keys."""
    if len(keys) <= count:
        return rows, keys
    chosen = np.sort(np.argpartition(keys, count - 1)[:count])
    return rows[chosen], keys[chosen]


def deal(rows: int, trees: int, size: int, rng: Generator) -> NDArray[np.intp]:
    """Give each tree its rows of a sample: (trees, m) indices, m of at most `size`.

    A large sample is partitioned. Of one that is too small for that each tree draws by itself, no row twice: a tenth of
    the rows, but 64 at least.
    """
    size = min(size, rows, max(rows // _PART, _LEAST))
    if rows >= trees * size:
        return rng.permutation(rows)[: trees * size].reshape(trees, size)
    return np.stack([rng.choice(rows, size, replace=False, shuffle=False) for _ in range(trees)])
