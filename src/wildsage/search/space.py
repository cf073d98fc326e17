"""The space of a search: its ranges together, between the texts of jobs, the unit cube and the columns of a kernel."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod, sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.search.errors import SpaceError
from wildsage.search.ranges import CategoricalRange, Range
from wildsage.search.trial import Values

Array = NDArray[np.float64]

_LISTED = 32
"""So many values of a range are listed; of more, only neighbours are looked at."""

_DRAWS = 100
"""Random points that are tried before what is left is counted."""


@dataclass(frozen=True)
class Space:
    """Ranges with names of their own.

    A point of the *cube* has a place in [0, 1] for each range. The kernel sees *columns*: a number is its place; a
    choice is a column of its own with √½ where it is chosen, so that two choices lie at distance 1.

    Raises
    ------
    SpaceError
        If there is no range, or a name occurs twice.
    """

    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.ranges]
        if not names:
            raise SpaceError("there are no ranges to search: give at least one")
        if len(set(names)) < len(names):
            raise SpaceError(f"a hyperparameter has more than one range: {', '.join(names)}")

    def __len__(self) -> int:
        return len(self.ranges)

    @property
    def count(self) -> int | None:
        """How many points there are; None: not to be counted."""
        counts = [one.count for one in self.ranges if one.count is not None]
        return prod(counts) if len(counts) == len(self) else None

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """The range that each column belongs to: (columns,)."""
        return np.repeat(np.arange(len(self)), [len(one.choices) or 1 for one in self.ranges])

    @cached_property
    def listed(self) -> dict[int, Array]:
        """The places of all values, for each range that has few."""
        return {
            index: np.array([one.place(one.value(number)) for number in range(one.count)])
            for index, one in enumerate(self.ranges)
            if one.count is not None and one.count <= _LISTED
        }

    def key(self, values: Values) -> tuple[str, ...]:
        """What tells the points of two trials apart: the texts of the space's own ranges."""
        return tuple(values.get(one.name, "") for one in self.ranges)

    def point(self, number: int) -> dict[str, str]:
        """The texts at a point of a space that can be counted, by its number from 0; the last range changes first."""
        found = {}
        for one in reversed(self.ranges):
            number, index = divmod(number, one.count or 1)
            found[one.name] = one.value(index)
        return dict(reversed(found.items()))

    def drawn(self, rng: Generator, taken: Container[tuple[str, ...]]) -> dict[str, str]:
        """The texts at any point whose key is not taken; a taken one only where there is no other."""
        for _ in range(_DRAWS):
            values = self.values(rng.random(len(self)))
            if self.key(values) not in taken:
                return values
        if self.count is not None:
            # Nearly all are taken. Of the points in a row some is free after as many steps as there are taken ones.
            first = int(rng.random() * self.count)
            for number in range(first, first + self.count):
                found = self.point(number % self.count)
                if self.key(found) not in taken:
                    return found
        return values

    def values(self, places: Sequence[float] | Array) -> dict[str, str]:
        """The texts at a point of the cube."""
        return {one.name: one.text(float(place)) for one, place in zip(self.ranges, places, strict=True)}

    def places(self, values: Values) -> Array:
        """The point of the cube, (ranges,), of a job's texts; outside of [0, 1] where a number is out of its bounds.

        Raises
        ------
        SpaceError
            If a value is missing or one that its range cannot have.
        """
        found = np.empty(len(self))
        for index, one in enumerate(self.ranges):
            try:
                found[index] = one.place(values[one.name])
            except KeyError:
                raise SpaceError(f"{one.name}: there is no value") from None
            except SpaceError as error:
                raise SpaceError(f"{one.name}: {error}") from error
        return found

    def snapped(self, places: Array) -> Array:
        """Points of the cube, (n, ranges), each place moved to that of the value it stands for."""
        clipped = np.clip(places, 0, 1)
        return np.column_stack([one.snapped(clipped[:, index]) for index, one in enumerate(self.ranges)])

    def columns(self, places: Array) -> Array:
        """Points of the cube, (n, ranges), as the kernel sees them: (n, columns)."""
        parts = []
        for index, one in enumerate(self.ranges):
            if isinstance(one, CategoricalRange):
                chosen = one.indices(places[:, index])[:, np.newaxis]
                parts.append((chosen == np.arange(len(one.choices))) * sqrt(0.5))
            else:
                parts.append(places[:, index : index + 1])
        return np.hstack(parts)
