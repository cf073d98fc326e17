"""Scales: how a range of numbers is laid along a line that is searched evenly.

The names are those of ``ScalingType``: ``Linear``; ``Logarithmic``, for numbers above 0; ``ReverseLogarithmic``, for
numbers in [0, 1) that matter the more the nearer they are to 1; ``Auto``, one of the first two, chosen by the range.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wildsage.search.errors import SpaceError

Array = NDArray[np.float64]

ScaleName = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]

_SEVERAL_ORDERS = 100.0
"""Ratio of the bounds from which ``Auto`` is logarithmic: AWS advises a linear scale within one order of magnitude, a
logarithmic one for several."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A monotonic function and its inverse, of arrays."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


LINEAR = Scale(np.positive, np.positive)
LOGARITHMIC = Scale(np.log, np.exp)
REVERSE_LOGARITHMIC = Scale(lambda values: -np.log1p(-values), lambda positions: -np.expm1(-positions))


def choose(name: str, low: float, high: float) -> Scale:
    """Find the scale of a range.

    Raises
    ------
    SpaceError
        If the scale is unknown, or the range has numbers that it does not have.
    """
    if name == "Auto":
        return LOGARITHMIC if low > 0 and high >= _SEVERAL_ORDERS * low else LINEAR
    if name == "Linear":
        return LINEAR
    if name == "Logarithmic":
        if low <= 0:
            raise SpaceError(f"a Logarithmic scale is for values greater than 0, and MinValue is {low:g}")
        return LOGARITHMIC
    if name == "ReverseLogarithmic":
        if low < 0 or high >= 1:
            raise SpaceError(
                f"a ReverseLogarithmic scale is for ranges within 0 <= x < 1, and this is {low:g} to {high:g}"
            )
        return REVERSE_LOGARITHMIC
    raise SpaceError(f"the scale {name!r} is not one of Auto, Linear, Logarithmic, ReverseLogarithmic")
