"""Numbers that are finite, but too large for an algorithm's mathematics.

Squares of float32 are infinite beyond 1.8e19, and the difference of infinite numbers is no number: what is larger than
an algorithm declares is refused by its place, before it becomes NaN.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows

_LARGEST_LABEL = 1e18
"""Losses square what is between labels."""


class TooLargeError(FormatError):
    """A number beyond those that the reader of the data takes."""


def bounded(parts: Iterable[Rows], source: str, largest: float) -> Iterator[Rows]:
    """Pass rows on as long as no feature is larger, in absolute value, and no label beyond 1e18.

    Parameters
    ----------
    largest
        What the algorithm declares.

    Raises
    ------
    TooLargeError
        At the first that is, with its row and place.
    """
    row = 1
    for part in parts:
        features = part.features.values if isinstance(part.features, SparseRows) else part.features
        for name, values, bound in (("feature", features, largest), ("label", part.labels, _LARGEST_LABEL)):
            places = _beyond(values, bound)
            if len(places):
                index, column = _place(part, name, places[0])
                raise TooLargeError(
                    source,
                    f"{name} {column + 1} is {values[tuple(places[0])]:g}; numbers from {-bound:g} to {bound:g} are "
                    "taken: scale them",
                    row=row + index,
                )
        yield part
        row += len(part)


def _beyond(values: NDArray[np.float32], bound: float) -> NDArray[np.intp]:
    """Return the places of numbers whose absolute value is larger, (count, dimensions)."""
    if bound == math.inf:
        return np.zeros((0, values.ndim), np.intp)
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum of squares is much cheaper than a look at every number, and seldom large.
        if float(flat @ flat) <= bound * bound:
            return np.zeros((0, values.ndim), np.intp)
    return np.argwhere(np.abs(values) > bound)


def _place(part: Rows, name: str, place: NDArray[np.intp]) -> tuple[int, int]:
    if name == "feature" and isinstance(part.features, SparseRows):
        return part.features.place(int(place[0]))
    return int(place[0]), int(place[1])
