"""Passes over rows that change nothing: the losses of all models, and the scores of the one that is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.data import Labelled, RowWeights
from wildsage.algorithms.linear_learner.losses import Loss
from wildsage.algorithms.linear_learner.model import LinearModel
from wildsage.algorithms.linear_learner.models import LinearModels
from wildsage.algorithms.linear_learner.products import Array
from wildsage.algorithms.linear_learner.scaling import Scaling
from wildsage.algorithms.linear_learner.scores import Score, tally_of
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective


@dataclass(frozen=True, slots=True)
class View:
    """What a pass over some rows showed.

    Attributes
    ----------
    losses
        (models,), means, in the units of the labels.
    scores, labels
        (n, models) and (n,): of as many rows as were asked for, on the first host those of all.
    """

    losses: NDArray[np.float64]
    scores: Array
    labels: Array


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Measures models in the way in which they are trained."""

    loss: Loss
    scaling: Scaling
    weights: RowWeights
    hosts: Collective

    @property
    def unit(self) -> float:
        """What a loss of normalized labels is multiplied with to be one of the labels themselves."""
        return float(self.scaling.label_scale**self.loss.degree)

    def view(self, models: LinearModels, batches: Iterable[Rows], samples: int) -> View:
        """Look at all rows, and keep scores of binary classifiers for some."""
        scores: list[Array] = []
        labels: list[Array] = []
        total = np.zeros(1 + models.count)
        seen = 0
        for rows in batches:
            found = models.scores(rows.features, models.parameters)
            total += self._summed(found, self.scaling.labels(rows.labels), rows.labels)
            if seen < samples:
                scores.append(found[: samples - seen])
                labels.append(rows.labels[: samples - seen, 0])
                seen += len(scores[-1])
        total = self.hosts.sum(total)
        return View(
            total[1:] / max(total[0], 1) * self.unit,
            self._gathered(scores, (0, models.count)) if samples else np.zeros((0, models.count), np.float32),
            self._gathered(labels, (0,)) if samples else np.zeros(0, np.float32),
        )

    def scores(self, model: LinearModel, data: Labelled, parameters: Mapping[str, Any]) -> list[Score]:
        """Score the trained model as it predicts: its objective first. All but the first host may get nothing."""
        tally = tally_of(parameters, model)
        total = np.zeros(2)
        for rows in data.batches():
            raw = model.raw_scores(rows.features)
            total += self._summed(self.scaling.labels(raw), self.scaling.labels(rows.labels), rows.labels)
            tally.observe(model.scores_of(raw), rows.labels[:, 0])
        count, loss = self.hosts.sum(total)
        final = "objective_loss" if data.channel.name == "test" else "objective_loss:final"
        objective = Score(self.loss.objective, loss / max(count, 1) * self.unit, "loss", final)
        return [objective, *tally.result(self.hosts)]

    def _summed(self, scores: Array, labels: Array, raw_labels: Array) -> NDArray[np.float64]:
        """Count rows and add up the losses of each model."""
        losses, _ = self.loss.evaluate(scores, labels)
        weights = RowWeights.of(self.weights.evaluation, raw_labels)
        if weights is not None:
            losses = losses * weights
        return np.concatenate([[float(len(losses))], losses.sum(axis=0, dtype=np.float64)])

    def _gathered(self, parts: list[Array], shape: tuple[int, ...]) -> Array:
        none = np.zeros(shape, np.float32)
        return np.concatenate([none, *self.hosts.gather(np.concatenate([none, *parts]))])
