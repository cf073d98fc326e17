"""When a search may end: nothing gets better.

AWS ends tuning jobs by it (``BestObjectiveNotImproving``) and calls 1 % or less no improvement.
"""

from collections.abc import Sequence

from wildsage.search.trial import Goal, Trial, losses

SIGNIFICANT = 0.01
"""What part of the best objective an improvement has to be."""


def trials_without_improvement(trials: Sequence[Trial], goal: Goal) -> int:
    """How many of the last trials did not improve on the best of those before by 1 %.

    Small improvements add up: what counts is the best since the last improvement that counted.

    Parameters
    ----------
    trials
        In the order in which they ended; those without an objective are left out.
    """
    anchor, count = None, 0
    for value in losses(
        (one.objective for one in trials if one.observed and one.objective is not None), goal
    ):
        if anchor is None or value < anchor - SIGNIFICANT * abs(anchor):
            anchor, count = value, 0
        else:
            count += 1
    return count
