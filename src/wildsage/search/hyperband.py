"""Hyperband: many trials with little resource, the better ones with more.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: Hyperband, JMLR 2018; without waiting for whole rungs, as in Li et al.: A
System for Massively Parallel Hyperparameter Tuning (ASHA), MLSys 2020. A job of a tuning job goes on or is stopped,
it never pauses, so a trial is judged whenever it reports: the variant that Klein, Tiao, Lienart, Archambeau and
Seeger (Model-based Asynchronous Hyperparameter and Neural Architecture Search, 2020) call *stopping*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from wildsage.search.errors import SearchError
from wildsage.search.random_search import RandomSearch
from wildsage.search.space import Space
from wildsage.search.trial import Goal, Trial, losses

_BRACKET_STREAM = 1


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Points are random; each trial reports its objective after every unit of resource, such as an epoch.

    A trial is compared at *rungs*, with all that have reported as often: only the best `reduction`-th go on. Rungs
    are `reduction` times as far apart as the last ones, from `least`; a trial of *bracket* b leaves out the first
    b of them, in case it is slow to begin with.

    Not for algorithms that report once at their end: nothing could be stopped.

    Raises
    ------
    SearchError
        If the resources are not 1 ≤ least ≤ most.
    """

    space: Space
    seed: int
    goal: Goal
    most: int
    least: int = 1
    reduction: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise SearchError(
                f"MinResource {self.least} and MaxResource {self.most} have to be 1 <= MinResource <= MaxResource"
            )
        if self.reduction < 2:
            raise SearchError(f"the reduction {self.reduction} has to be at least 2")

    @property
    def rungs(self) -> list[int]:
        """Resources at which trials are compared, the least first; `most` is none."""
        found = []
        level = self.least
        while level < self.most:
            found.append(level)
            level *= self.reduction
        return found

    def suggest(self, trials: Sequence[Trial], count: int = 1) -> list[dict[str, str]]:
        """Choose the values of the next trials; see `Strategy`."""
        return RandomSearch(self.space, self.seed).suggest(trials, count)

    def bracket(self, number: int) -> int:
        """How many rungs the trial of a number, from 0, leaves out.

        Brackets are drawn in the proportions of Hyperband's algorithm 1: ``(s + 1)⁻¹ηˢ`` for s rungs.
        """
        counts = np.arange(len(self.rungs), -1, -1)
        shares = float(self.reduction) ** counts / (counts + 1)
        rng = np.random.default_rng([self.seed, number, _BRACKET_STREAM])
        return int(rng.choice(len(shares), p=shares / shares.sum()))

    def budget(self, trials: Sequence[Trial], number: int) -> int:
        """How much resource a trial may use before it has to be asked for again: the next rung, or `most`."""
        reached = len(trials[number].reports)
        ahead = (rung for rung in self.rungs[self.bracket(number) :] if rung > reached)
        return next(ahead, self.most)

    def should_stop(self, trials: Sequence[Trial], number: int) -> bool:
        """Whether a running trial ends now; to be asked at each report.

        Parameters
        ----------
        trials
            All trials of the search in the order of their suggestion, stopped and failed ones too.
        number
            The index of the trial that reported.
        """
        reports = trials[number].reports
        if len(reports) >= self.most:
            return True
        passed = [rung for rung in self.rungs[self.bracket(number) :] if rung <= len(reports)]
        return bool(passed) and self._is_behind(trials, reports[passed[-1] - 1], passed[-1])

    def _is_behind(self, trials: Sequence[Trial], report: float, rung: int) -> bool:
        """Whether a report at a rung is not among the best; while there are few, all go on."""
        reached = losses((one.reports[rung - 1] for one in trials if len(one.reports) >= rung), self.goal)
        if len(reached) < self.reduction:
            return False
        kept = floor(len(reached) / self.reduction)
        return losses([report], self.goal)[0] > sorted(reached)[kept - 1]
