"""What is asked of a search: everything that its answer depends on."""

from dataclasses import dataclass

from wildsage.search.trial import Goal, Trial
from wildsage.services.sagemaker.tuning_definitions import TunedRange


@dataclass(frozen=True, slots=True)
class Question:
    """A search as it stands. Equal questions have equal answers.

    Attributes
    ----------
    trials
        Of one training job definition, in the order in which they were planned.
    identical, transfer
        What parents of a warm start tried: of those with the same data and algorithm together, of others each.
    resources
        Of Hyperband: how much a trial may use at least and at most.
    """

    strategy: str
    ranges: tuple[TunedRange, ...]
    goal: Goal
    seed: int
    trials: tuple[Trial, ...] = ()
    identical: tuple[Trial, ...] = ()
    transfer: tuple[tuple[Trial, ...], ...] = ()
    resources: tuple[int, int] = (1, 1)
