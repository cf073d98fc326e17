"""Mini-batches: a channel cut into blocks of one size, for algorithms that learn step by step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.formats.rows import Rows, merge, take
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.channels import Channel
from wildsage.toolkit.errors import UserError

_LARGEST_IN_MEMORY = 256 << 20
"""Bytes of input files that are read once, kept and shuffled for every epoch. More is streamed in file order."""

_ROWS_TOGETHER = 1 << 14
"""Rows of a channel that are shuffled in one go."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some batches of rows.

    Attributes
    ----------
    order
        Which rows, one batch after the other: as many as there are, or fewer.
    """

    rows: Rows
    order: NDArray[np.int64]


def batches_of(stretch: Stretch, size: int) -> Iterator[Rows]:
    """Cut a stretch into its batches."""
    part = take(stretch.rows, stretch.order)
    for first in range(0, len(part), size):
        yield take(part, slice(first, first + size))


@dataclass(slots=True)
class Batches:
    """The rows of a channel, `size` at a time.

    Attributes
    ----------
    feature_dim
        Columns that every row has to have; None: as many as the first row has, which is written here.
    needs_label
        Every row has to have one label; else labels are left out.
    keeps_sparse
        Sparse rows stay sparse; else all are spread into dense ones.
    """

    channel: Channel
    feature_dim: int | None
    size: int
    needs_label: bool = False
    keeps_sparse: bool = False
    _kept: Rows | None = None

    def keep_if_small(self) -> None:
        """Read a small channel into memory, so that epochs can be shuffled and need not read it again.

        What comes through a FIFO is not kept: each epoch has the order that the job gives it.
        """
        if self.channel.is_streamed:
            return
        if self.channel.stored_bytes <= _LARGEST_IN_MEMORY:
            self._kept = merge(list(self._parts()))

    @property
    def rows_kept(self) -> int | None:
        """Rows of a channel that is kept; None: it is read anew for each epoch, and nobody has counted."""
        return None if self._kept is None else len(self._kept)

    @property
    def labels_kept(self) -> NDArray[np.float32] | None:
        """The labels of a channel that is kept, (n, 1) where the algorithm needs one; None as for `rows_kept`."""
        return None if self._kept is None else self._kept.labels

    def batches(self, rng: Generator | None = None) -> Iterator[Rows]:
        """Yield one epoch: batches of `size` rows, the last one smaller.

        Parameters
        ----------
        rng
            Shuffles the rows of a channel that is kept.

        Raises
        ------
        UserError
            Where the channel holds no rows, or rows that the algorithm cannot take.
        """
        for rows in self._streamed() if self._kept is None else self._shuffled(self._kept, rng):
            # Spread a batch at a time: a whole channel of wide sparse rows would not fit into memory.
            if isinstance(rows.features, SparseRows) and not self.keeps_sparse:
                yield Rows(rows.features.dense(), rows.labels)
            else:
                yield rows

    def stretches(self, rng: Generator | None = None) -> Iterator[Stretch]:
        """Yield one epoch as `batches` does, but many batches together where the channel is kept.

        What is sparse stays so.
        """
        if self._kept is None:
            for rows in self._streamed():
                yield Stretch(rows, np.arange(len(rows)))
        else:
            for order in self._orders(len(self._kept), rng):
                yield Stretch(self._kept, order)

    def matrices(self, rng: Generator | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the features of one epoch's `batches`, spread into dense (m, d) matrices."""
        for rows in self.batches(rng):
            features = rows.features
            yield features.dense() if isinstance(features, SparseRows) else features

    def _orders(self, count: int, rng: Generator | None) -> Iterator[NDArray[np.int64]]:
        """Put the rows into another order, and cut it into stretches of whole batches."""
        order = np.arange(count) if rng is None else rng.permutation(count)
        step = max(1, _ROWS_TOGETHER // self.size) * self.size
        for start in range(0, count, step):
            yield order[start : start + step]

    def _shuffled(self, kept: Rows, rng: Generator | None) -> Iterator[Rows]:
        """Cut the rows, in another order with `rng`; some batches are brought into it at once: faster than each alone."""
        if rng is None:  # in the order that they have, rows need not be copied
            for start in range(0, len(kept), self.size):
                yield take(kept, slice(start, start + self.size))
            return
        for order in self._orders(len(kept), rng):
            yield from batches_of(Stretch(kept, order), self.size)

    def _streamed(self) -> Iterator[Rows]:
        """Cut the stream; memory holds one batch and one block of the reader."""
        waiting: list[Rows] = []
        count = 0
        for part in self._parts():
            start = 0
            while count + len(part) - start >= self.size:
                end = start + self.size - count
                yield merge([*waiting, take(part, slice(start, end))])
                waiting, count, start = [], 0, end
            if start < len(part):
                waiting.append(take(part, slice(start, len(part))))
                count += len(part) - start
        if waiting:
            yield merge(waiting)

    def _parts(self) -> Iterator[Rows]:
        """Yield what the reader gives, checked, and with no more than the algorithm asks for.

        A channel without rows is refused, so that nobody divides by their count.
        """
        count = 0
        for rows in self.channel.rows():
            if self.feature_dim is None:
                self.feature_dim = rows.width
            if rows.width != self.feature_dim:
                raise UserError(self._mismatch(rows.width))
            if self.needs_label and rows.labels.shape[1] != 1:
                raise UserError(
                    f"Unable to read data channel '{self.channel.name}'. Every record needs one label; "
                    f"found {rows.labels.shape[1]}."
                )
            count += len(rows)
            yield Rows(rows.features, rows.labels if self.needs_label else rows.labels[:, :0])
        if count == 0:
            raise UserError(f"Unable to read data channel '{self.channel.name}'. The files hold no rows.")

    def _mismatch(self, width: int) -> str:
        return (
            f"The data of channel '{self.channel.name}' has {width} features, "
            f"but the hyperparameter feature_dim is {self.feature_dim}.{self.channel.width_hint}"
        )
