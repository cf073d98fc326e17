"""What a search has seen: its trials, and what is better."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

Values = Mapping[str, str]
"""The texts of one job's hyperparameters, by name."""

Goal = Literal["Minimize", "Maximize"]


class Status(Enum):
    """Where a trial is. One that was stopped early is finished: its objective is what it reached."""

    RUNNING = "Running"
    FINISHED = "Finished"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Trial:
    """One training job as a search sees it.

    Attributes
    ----------
    values
        Its hyperparameters; those that the space does not have are ignored.
    objective
        The final value of a finished trial. A finished trial without a finite one counts as failed.
    reports
        The objective after each unit of resource (epoch), as far as it is known.
    """

    values: Values
    status: Status = Status.RUNNING
    objective: float | None = None
    reports: tuple[float, ...] = ()

    @property
    def observed(self) -> bool:
        """There is a value to learn from."""
        return self.status is Status.FINISHED and self.objective is not None and math.isfinite(self.objective)

    @property
    def failed(self) -> bool:
        """It is over, and there is nothing to learn but that."""
        return self.status is not Status.RUNNING and not self.observed


def losses(objectives: Iterable[float], goal: Goal) -> list[float]:
    """Objectives as numbers of which less is better; what is no number is worst of all."""
    signed = (-one if goal == "Maximize" else float(one) for one in objectives)
    return [math.inf if math.isnan(one) else one for one in signed]


class Strategy(Protocol):
    """A way to choose points. It has no state: all that it knows is handed to it, and equal calls answer equally."""

    def suggest(self, trials: Sequence[Trial], count: int = 1) -> list[dict[str, str]]:
        """Choose the values of the next trials.

        Parameters
        ----------
        trials
            All trials of this search so far, running ones too, in the order in which they were suggested.
        count
            How many more are wanted.

        Returns
        -------
        values
            Fewer than `count` where there is nothing left to try.
        """
        ...
