"""A uniform sample of rows that pass by once.

References
----------
J. Vitter, "Random Sampling with a Reservoir", ACM Transactions on Mathematical Software 11, 1985: Algorithm R.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Transform = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Reservoir:
    """At most `size` of the rows seen, each subset as likely as any other. Memory grows with what it holds.

    The sample depends on the order of the rows, but not on how they are cut into batches.

    Parameters
    ----------
    width
        Columns of what is kept of a row.
    transform
        Makes it, (m, width), of rows (m, d); called for those only that are kept.
    """

    def __init__(self, size: int, width: int, transform: Transform, rng: Generator) -> None:
        self._size = size
        self._transform = transform
        self._rng = rng
        self._points = np.empty((0, width), np.float32)
        self._labels = np.empty(0, np.float32)
        self.seen = 0

    def observe(self, rows: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        """Take in rows, (m, d), with their labels, (m,)."""
        numbers = np.arange(self.seen, self.seen + len(rows))
        self.seen += len(rows)
        places = numbers.copy()
        late = numbers >= self._size
        places[late] = self._rng.integers(0, numbers[late] + 1)
        kept = places < self._size
        self._make_room(len(self))
        # Of two rows for one place the later one stays, as if they had come one by one.
        self._points[places[kept]] = self._transform(rows[kept])
        self._labels[places[kept]] = labels[kept]

    def __len__(self) -> int:
        return min(self.seen, self._size)

    @property
    def points(self) -> NDArray[np.float32]:
        """What is kept of each row: (n, width)."""
        return self._points[: len(self)]

    @property
    def labels(self) -> NDArray[np.float32]:
        """Theirs: (n,)."""
        return self._labels[: len(self)]

    def _make_room(self, count: int) -> None:
        if count > len(self._labels):
            room = min(max(count, 2 * len(self._labels)), self._size)
            self._points.resize((room, self._points.shape[1]), refcheck=False)
            self._labels.resize(room, refcheck=False)
