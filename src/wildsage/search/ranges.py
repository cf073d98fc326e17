"""One hyperparameter that is searched: a range of numbers, or choices.

A range turns a *place* in [0, 1] into the text that a job gets, and the text of a job into its place. Places that
are drawn evenly give values that are even on the range's scale; a whole number or a choice owns an interval of places,
and its own place is the middle of it.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wildsage.search.errors import SpaceError
from wildsage.search.scales import Array, Scale, ScaleName, choose


@dataclass(frozen=True, slots=True)
class ContinuousRange:
    """Numbers between two bounds, both within. Their texts are the shortest that read back as the same double.

    Raises
    ------
    SpaceError
        If the bounds are not finite or not in order, or the scale is not for them.
    """

    name: str
    low: float
    high: float
    scale: ScaleName = "Auto"
    choices: ClassVar[tuple[str, ...]] = ()
    _line: "_Line" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)
        line = _Line(choose(self.scale, self.low, self.high), self.low, self.high)
        object.__setattr__(self, "_line", line)

    @property
    def count(self) -> int | None:
        """How many values there are: one between equal bounds; None: not to be counted."""
        return 1 if self.low == self.high else None

    def value(self, index: int) -> str:
        """The text of the only value that can be counted."""
        del index
        return repr(float(self.low))

    def text(self, place: float) -> str:
        """The value at a place; at 0 and 1 the bounds themselves, which no rounding on a scale moves."""
        if not 0 < place < 1:
            return repr(float(self.low if place <= 0 else self.high))
        return repr(min(max(float(self._line.values(np.array(place))), float(self.low)), float(self.high)))

    def place(self, text: str) -> float:
        """Where a value lies; outside of [0, 1] if it is outside of the bounds.

        Raises
        ------
        SpaceError
            If it is no number, or none that the scale has.
        """
        return self._line.place(_number(text))

    def snapped(self, places: Array) -> Array:
        """The places of the values at some places: of numbers, the same."""
        return places


@dataclass(frozen=True, slots=True)
class IntegerRange:
    """Whole numbers between two bounds, both within.

    Raises
    ------
    SpaceError
        If the bounds are not in order, or the scale is not for them; there is no ``ReverseLogarithmic`` of whole
        numbers.
    """

    name: str
    low: int
    high: int
    scale: ScaleName = "Auto"
    choices: ClassVar[tuple[str, ...]] = ()
    _line: "_Line" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)
        if self.scale == "ReverseLogarithmic":
            raise SpaceError("a ReverseLogarithmic scale is for continuous ranges only")
        # Each number owns the interval half a number around it, so that the ends are drawn as often as others.
        line = _Line(choose(self.scale, self.low, self.high), self.low - 0.5, self.high + 0.5)
        object.__setattr__(self, "_line", line)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def value(self, index: int) -> str:
        """The text of a value, by its number from 0."""
        return str(self.low + index)

    def text(self, place: float) -> str:
        """The value at a place; at 0 and 1 the bounds, also such as are no doubles."""
        if not 0 < place < 1:
            return str(self.low if place <= 0 else self.high)
        return str(min(max(int(self._numbers(np.array(place))), self.low), self.high))

    def place(self, text: str) -> float:
        """Where a value lies, as of a continuous range. Texts such as ``10.0`` are whole numbers, too."""
        value = _number(text)
        if value != math.floor(value):
            raise SpaceError(f"the value {text!r} is not a whole number")
        return self._line.place(value)

    def snapped(self, places: Array) -> Array:
        """The places of the values at some places."""
        return self._line.places(self._numbers(places))

    def _numbers(self, places: Array) -> Array:
        return np.clip(np.floor(self._line.values(places) + 0.5), self.low, self.high)


@dataclass(frozen=True, slots=True)
class CategoricalRange:
    """Texts without an order, given to jobs as they are.

    Raises
    ------
    SpaceError
        If there is none, or one twice.
    """

    name: str
    choices: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise SpaceError("there are no values: give at least one")
        if len(set(self.choices)) < len(self.choices):
            raise SpaceError(f"a value is given twice: {', '.join(self.choices)}")

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def value(self, index: int) -> str:
        """The text of a value, by its number from 0."""
        return self.choices[index]

    def text(self, place: float) -> str:
        """The value at a place."""
        return self.choices[int(self.indices(np.array(place)))]

    def place(self, text: str) -> float:
        """The middle of the interval of a value.

        Raises
        ------
        SpaceError
            If it is not one of the choices.
        """
        if text not in self.choices:
            raise SpaceError(f"the value {text!r} is not one of {', '.join(self.choices)}")
        return (self.choices.index(text) + 0.5) / len(self.choices)

    def snapped(self, places: Array) -> Array:
        """The places of the values at some places."""
        return (self.indices(places) + 0.5) / len(self.choices)

    def indices(self, places: Array) -> Array:
        """Which choices are at some places, as numbers from 0."""
        return np.clip(np.floor(places * len(self.choices)), 0, len(self.choices) - 1)


Range = ContinuousRange | IntegerRange | CategoricalRange


@dataclass(frozen=True, slots=True)
class _Line:
    """The interval of a scale that is laid over [0, 1]."""

    scale: Scale
    low: float
    high: float

    def values(self, places: Array) -> Array:
        first, last = self.scale.forward(np.array([self.low, self.high], float))
        return self.scale.inverse(first + places * (last - first))

    def places(self, values: Array) -> Array:
        first, last = self.scale.forward(np.array([self.low, self.high], float))
        # A range of one number is all at the same place; another number lies as far away as on the scale.
        positions = self.scale.forward(np.asarray(values, float))
        found: Array = (positions - first) / (last - first) if last > first else 0.5 + positions - first
        return found

    def place(self, value: float) -> float:
        with np.errstate(all="ignore"):
            found = float(self.places(np.array(value)))
        if not math.isfinite(found):
            raise SpaceError(f"the value {value:g} does not exist on the scale of its range")
        return found


def _check_bounds(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpaceError(f"the bounds {low} and {high} have to be finite numbers")
    if low > high:
        raise SpaceError(f"MinValue {low} is greater than MaxValue {high}")
    if not math.isfinite(high - low):
        raise SpaceError(f"the bounds {low} and {high} are too far apart: their difference is no number")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise SpaceError(f"the value {text!r} is not a number") from error
    if not math.isfinite(value):
        raise SpaceError(f"the value {text!r} is not a finite number")
    return value
