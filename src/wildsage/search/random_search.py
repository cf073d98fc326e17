"""Random search: points drawn evenly (Bergstra and Bengio: Random Search for Hyper-Parameter Optimization, JMLR 2012)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wildsage.search.space import Space
from wildsage.search.trial import Trial


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Draws points evenly on the scales of their ranges, none twice until the space has no other.

    The n-th point depends on the seed and the points before it, not on what they came to.

    >>> from wildsage.search.ranges import ContinuousRange
    >>> space = Space((ContinuousRange("eta", 0.01, 1.0),))
    >>> RandomSearch(space, seed=1).suggest([])
    [{'eta': '0.10559497443981639'}]
    """

    space: Space
    seed: int

    def suggest(self, trials: Sequence[Trial], count: int = 1) -> list[dict[str, str]]:
        """Choose the values of the next trials; see `Strategy`."""
        taken = {self.space.key(trial.values) for trial in trials}
        chosen = []
        for number in range(len(trials), len(trials) + count):
            values = self.space.drawn(np.random.default_rng([self.seed, number]), taken)
            taken.add(self.space.key(values))
            chosen.append(values)
        return chosen
