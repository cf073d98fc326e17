"""Epochs of training, in step with the other hosts: each step's gradient is that of all hosts' batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.candidates import Schedule
from wildsage.algorithms.linear_learner.data import RowWeights
from wildsage.algorithms.linear_learner.models import Gradient, LinearModels
from wildsage.algorithms.linear_learner.products import Array
from wildsage.algorithms.linear_learner.scaling import Scaling
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch was.

    Attributes
    ----------
    losses
        (models,), means over the rows of all hosts, each before the step that it led to.
    penalties
        (models,), about those of the same steps.
    records, batches
        Of this host.
    """

    losses: NDArray[np.float64]
    penalties: NDArray[np.float64]
    records: int
    batches: int


class Learner:
    """Takes models through epochs.

    Parameters
    ----------
    epochs
        Of the whole training.
    steps, rows
        Of an epoch, of all hosts; None: not known before the first is over.
    """

    def __init__(
        self,
        models: LinearModels,
        scaling: Scaling,
        weights: RowWeights,
        schedule: Schedule,
        hosts: Collective,
        epochs: int,
        steps: int | None,
        rows: int | None,
    ) -> None:
        self.models = models
        self._scaling = scaling
        self._weights = weights
        self.schedule = schedule
        self._hosts = hosts
        self._epochs = epochs
        self._steps = steps
        self._rows = rows
        self._done = 0

    @property
    def total(self) -> int | None:
        """Steps of the whole training."""
        return None if self._steps is None else self._steps * self._epochs

    def epoch(self, batches: Iterator[Rows]) -> Epoch:
        """Take a step for each batch; a host that has fewer helps with nothing in the last ones."""
        losses = np.zeros(self.models.count)
        before = self.models.penalties(self.models.parameters)
        everywhere = records = own = steps = 0
        with np.errstate(over="ignore", invalid="ignore"):  # a model that diverges is not chosen
            while True:
                rows = next(batches, None)
                if rows is not None:
                    records += len(rows)
                    own += 1
                gradient, count = self._together(rows)
                if count == 0:
                    break
                losses += gradient.losses
                everywhere += count
                steps += 1
                self._step(gradient.by_parameters / np.float32(self._rows_of_a_step or count))
        if self._steps is None:
            self._steps, self._rows = steps, everywhere
        after = self.models.penalties(self.models.parameters)
        return Epoch(losses / max(everywhere, 1), (before + after) / 2, records, own)

    @property
    def _rows_of_a_step(self) -> float | None:
        """Mean of the steps of an epoch: the rows of a smaller last batch count no more than others."""
        return self._rows / self._steps if self._rows and self._steps else None

    def _step(self, gradient: Array) -> None:
        rates = self.schedule.rates(self.models.rates, self._done, self.total)
        self.models.step(gradient, rates)
        self._done += 1

    def _together(self, rows: Rows | None) -> tuple[Gradient, int]:
        """Add up the gradients of all hosts' batches; the count is of their rows."""
        parameters = self.models.parameters
        if rows is None:
            own = Gradient(np.zeros_like(parameters), np.zeros(self.models.count))
        else:
            labels = self._scaling.labels(rows.labels)
            own = self.models.gradient(
                rows.features, labels, RowWeights.of(self._weights.training, rows.labels)
            )
        count = 0 if rows is None else len(rows)
        if self._hosts.is_alone:
            return own, count
        sent = (np.array([float(count)]), own.losses, own.by_parameters.reshape(-1))
        total = self._hosts.sum(np.concatenate(sent).astype(np.float32))
        losses = total[1 : 1 + self.models.count].astype(np.float64)
        return Gradient(total[1 + self.models.count :].reshape(parameters.shape), losses), int(total[0])

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint keeps."""
        return {
            "parameters": self.models.parameters,
            "steps": np.array([self._done, self._steps or 0, self._rows or 0]),
            **{f"optimizer.{name}": value for name, value in self.models.optimizer.state.items()},
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint."""
        self.models.parameters = state["parameters"]
        self._done, self._steps, *rows = (int(number) for number in state["steps"])
        self._rows = rows[0] if rows else self._rows  # older checkpoints do not have them
        prefix = "optimizer."
        found = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
        self.models.optimizer.state.update(found)
