"""Bayesian search: each point is where a Gaussian process expects most.

Jones, Schonlau, Welch: Efficient Global Optimization of Expensive Black-Box Functions, 1998; Snoek, Larochelle, Adams:
Practical Bayesian Optimization of Machine Learning Algorithms, NeurIPS 2012.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.stats import qmc

from wildsage.search import observations, surrogate
from wildsage.search.maximize import Maximizer
from wildsage.search.space import Space
from wildsage.search.surrogate import Surrogate
from wildsage.search.threads import one_thread
from wildsage.search.trial import Goal, Trial

_CENTRES = 3
_TRIES = 256
"""Points of the design that are looked at for one that is not taken."""


@dataclass(frozen=True, slots=True)
class BayesianSearch:
    """Begins with a few points spread evenly (scrambled Sobol), then looks where most improvement is expected.

    Equal trials and an equal seed give equal points; while trials run in parallel, what is known at a suggestion depends
    on which of them ended first.

    Attributes
    ----------
    identical
        Trials of parents with the same data and algorithm: they count as observations.
    transfer
        For each other parent its trials.
    """

    space: Space
    seed: int
    goal: Goal
    identical: tuple[Trial, ...] = ()
    transfer: tuple[tuple[Trial, ...], ...] = ()

    @property
    def initial(self) -> int:
        """Trials before the first that is chosen by what was observed."""
        return 3 + len(self.space) // 2

    def suggest(self, trials: Sequence[Trial], count: int = 1) -> list[dict[str, str]]:
        """Choose the values of the next trials; see `Strategy`."""
        seen = list(trials)
        believed = None
        with one_thread():
            for _ in range(count):
                if believed is None and self._known(seen) >= self.initial:
                    believed = surrogate.learn(self.space, self.goal, trials, self.identical, self.transfer)
                seen.append(Trial(self._next(seen, believed)))
        return [dict(trial.values) for trial in seen[len(trials) :]]

    def _known(self, trials: Sequence[Trial]) -> int:
        return len(trials) + len(self.identical) + sum(len(parent) for parent in self.transfer)

    def _next(self, trials: Sequence[Trial], believed: Surrogate | None) -> dict[str, str]:
        taken = {self.space.key(trial.values) for trial in trials}
        rng = np.random.default_rng([self.seed, len(trials)])
        for values in (
            self._spread(len(trials)) if believed is None else self._expected(trials, believed, rng)
        ):
            if self.space.key(values) not in taken:
                return values
        return self.space.drawn(rng, taken)

    def _spread(self, number: int) -> Iterator[dict[str, str]]:
        """The point of a number of the design, and those that follow it."""
        design = qmc.Sobol(len(self.space), rng=np.random.default_rng(self.seed))
        if number:
            design.fast_forward(number)
        for _ in range(_TRIES):
            yield self.space.values(design.random(1)[0])

    def _expected(
        self, trials: Sequence[Trial], believed: Surrogate, rng: Generator
    ) -> Iterator[dict[str, str]]:
        """Points of which much is expected, the best first."""
        acquisition = believed.improvement(observations.running(self.space, trials), rng)
        for place in Maximizer(self.space, acquisition, believed.tried[:_CENTRES], rng).ranked():
            yield self.space.values(place)
