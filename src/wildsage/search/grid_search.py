"""Grid search: every combination of choices, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from wildsage.search.errors import SearchError
from wildsage.search.ranges import CategoricalRange
from wildsage.search.space import Space
from wildsage.search.trial import Trial


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Tries all combinations, that of the last range changing first.

    >>> space = Space((CategoricalRange("a", ("x", "y")), CategoricalRange("b", ("1", "2"))))
    >>> GridSearch(space).suggest([], 3)
    [{'a': 'x', 'b': '1'}, {'a': 'x', 'b': '2'}, {'a': 'y', 'b': '1'}]

    Raises
    ------
    SearchError
        If a range is not categorical.
    """

    space: Space

    def __post_init__(self) -> None:
        others = [one.name for one in self.space.ranges if not isinstance(one, CategoricalRange)]
        if others:
            raise SearchError(
                f"a grid is made of categorical ranges only, and {', '.join(others)} is none: "
                "list the values to try, or choose another strategy"
            )

    def __len__(self) -> int:
        """How many combinations there are."""
        return prod(len(one.choices) for one in self.space.ranges)

    def suggest(self, trials: Sequence[Trial], count: int = 1) -> list[dict[str, str]]:
        """Choose the values of the next trials; see `Strategy`."""
        return [
            self.space.point(number) for number in range(len(trials), min(len(trials) + count, len(self)))
        ]
