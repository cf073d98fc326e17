"""Which model is kept: the best of all epochs, and when training ends because nothing gets better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.calibration import Calibrator
from wildsage.algorithms.linear_learner.evaluation import View
from wildsage.algorithms.linear_learner.products import Array
from wildsage.toolkit.collective import Collective


@dataclass(frozen=True, slots=True)
class Merits:
    """How good models are, more being better; each (models,).

    Attributes
    ----------
    thresholds
        Of binary classifiers, on what the weights give.
    values
        Of the criterion; minus infinity where the loss is the criterion.
    losses
        Of models that are equal otherwise, the one of the smallest loss is better.
    """

    thresholds: NDArray[np.float64]
    values: NDArray[np.float64]
    losses: NDArray[np.float64]

    def best(self) -> int:
        """Return the number of the best model."""
        return int(np.lexsort((self.losses, -self.values))[0])

    def better_than(self, other: "Merits", slack: float) -> NDArray[np.bool_]:
        """Tell for each model whether it is better here than there; `slack` is a part of the loss."""
        is_smaller = (self.values == other.values) & (self.losses < (1 + slack) * other.losses)
        return np.asarray((self.values > other.values) | is_smaller)


def merits_of(view: View, calibrator: Calibrator | None, hosts: Collective) -> Merits:
    """Judge the models by what was seen of them; the first host does it for all.

    Parameters
    ----------
    calibrator
        Of binary classifiers; None: the loss is the criterion.
    """
    models = len(view.losses)
    chosen = np.zeros((2, models))
    chosen[1] = -np.inf
    if calibrator is not None and hosts.is_first and len(view.labels):
        for number in range(models):
            chosen[:, number] = calibrator.choose(view.scores[:, number], view.labels)
    chosen = hosts.share(chosen)
    is_usable = np.isfinite(view.losses)
    return Merits(
        chosen[0], np.where(is_usable, chosen[1], -np.inf), np.where(is_usable, view.losses, np.inf)
    )


class BestSoFar:
    """The best parameters of each model, whichever epoch they are of.

    Parameters
    ----------
    parameters
        To begin with, (d + 1, K).
    slack
        A loss that is larger by this part counts as smaller: what is measured while the parameters move is not exact,
        and later parameters are better by rule.
    """

    def __init__(self, parameters: Array, models: int, slack: float = 0.0) -> None:
        self.parameters = parameters.copy()
        self._slack = slack
        self.merits = Merits(np.zeros(models), np.full(models, -np.inf), np.full(models, np.inf))

    def offer(self, parameters: Array, merits: Merits) -> None:
        """Take over the models that are better than they were."""
        better = merits.better_than(self.merits, self._slack)
        columns = np.repeat(better, parameters.shape[1] // len(better))
        self.parameters[:, columns] = parameters[:, columns]
        self.merits = Merits(
            np.where(better, merits.thresholds, self.merits.thresholds),
            np.where(better, merits.values, self.merits.values),
            # The least seen, so that slacks do not add up.
            np.where(better, np.minimum(merits.losses, self.merits.losses), self.merits.losses),
        )

    def drop(self, numbers: Sequence[int]) -> None:
        """Have some models never be chosen."""
        self.merits.losses[numbers], self.merits.values[numbers] = np.inf, -np.inf

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint keeps."""
        return {
            "parameters": self.parameters,
            "merits": np.stack([self.merits.thresholds, self.merits.values, self.merits.losses]),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint."""
        self.parameters = state["parameters"]
        self.merits = Merits(*state["merits"])


@dataclass(slots=True)
class EarlyStopping:
    """Counts epochs without an improvement.

    Attributes
    ----------
    tolerance
        Relative change that is one.
    """

    patience: int
    tolerance: float
    best: float = np.inf
    waited: int = 0

    def observe(self, value: float) -> bool:
        """Take in the value of an epoch, less being better; returns whether it is an improvement."""
        is_first = np.isinf(self.best)
        if value < self.best and (is_first or self.best - value > self.tolerance * abs(self.best)):
            self.best = value
            self.waited = 0
            return True
        self.waited += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether training should end."""
        return self.waited >= self.patience
