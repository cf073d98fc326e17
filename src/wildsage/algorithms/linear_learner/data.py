"""The rows of a channel with labels that the predictor can have, and what each row weighs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.candidates import Candidate
from wildsage.algorithms.linear_learner.parameters import BINARY, MULTICLASS
from wildsage.algorithms.linear_learner.products import Array, spread
from wildsage.formats.rows import Rows
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.channels import Channel
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError


class Labelled:
    """The rows of a channel on this host, which has none where a job has more hosts than objects.

    Parameters
    ----------
    width
        Columns; None: as the first row has.
    """

    def __init__(
        self, channel: Channel, parameters: Mapping[str, Any], width: int | None, hosts: Collective
    ) -> None:
        self.channel = channel
        self.is_absent = not hosts.is_alone and channel.is_empty
        self._parameters = parameters
        self._data = Batches(
            channel, width, parameters["mini_batch_size"], needs_label=True, keeps_sparse=True
        )
        if not self.is_absent:
            self._data.keep_if_small()

    @property
    def width(self) -> int | None:
        """Columns; None: not known yet."""
        return self._data.feature_dim

    @property
    def count(self) -> int | None:
        """Rows; None: they are read anew for each epoch."""
        return 0 if self.is_absent else self._data.rows_kept

    @property
    def labels(self) -> Array | None:
        """All labels, (n, 1); None as for `count`."""
        return np.zeros((0, 1), np.float32) if self.is_absent else self._data.labels_kept

    def batches(self, rng: Generator | None = None) -> Iterator[Rows]:
        """Yield one epoch; sparse rows are spread where that is faster.

        Raises
        ------
        UserError
            For labels that the predictor does not have.
        """
        if self.is_absent:
            return
        for rows in self._data.batches(rng):
            self._check(rows.labels)
            yield Rows(spread(rows.features), rows.labels)

    def _check(self, labels: Array) -> None:
        predictor = self._parameters["predictor_type"]
        if predictor == BINARY:
            wrong = labels[(labels != 0) & (labels != 1)]
            rule = "are 0 and 1"
        elif predictor == MULTICLASS:
            classes = self._parameters["num_classes"]
            wrong = labels[(labels < 0) | (labels >= classes) | (labels != np.floor(labels))]
            rule = f"are whole numbers from 0 to {classes - 1} (num_classes is {classes})"
        else:
            return
        if len(wrong):
            raise UserError(
                f"Unable to read data channel '{self.channel.name}'. The labels of a {predictor} {rule}; "
                f"found {wrong[0]:g}."
            )


@dataclass(frozen=True, slots=True)
class RowWeights:
    """What rows weigh in the loss, by their class.

    Attributes
    ----------
    training
        (classes, 1), or (classes, models) where models weigh rows differently; None: all rows weigh the same.
    evaluation
        (classes, 1): losses of different models are compared with the same weights.
    """

    training: Array | None = None
    evaluation: Array | None = None

    def only(self, numbers: Sequence[int]) -> "RowWeights":
        """Return the weights for some of the models."""
        if self.training is None or self.training.shape[1] == 1:
            return self
        return RowWeights(self.training[:, list(numbers)], self.evaluation)

    @staticmethod
    def of(weights: Array | None, labels: Array) -> Array | None:
        """Return the weights of rows, (n, 1) or (n, models)."""
        return None if weights is None else weights[labels[:, 0].astype(np.int64)]


def class_counts(labels: Array, classes: int, hosts: Collective) -> NDArray[np.float64]:
    """Count the rows of each class over all hosts, (classes,)."""
    return hosts.sum(np.bincount(labels[:, 0].astype(np.int64), minlength=classes).astype(np.float64))


def binary_weights(candidates: Sequence[Candidate]) -> RowWeights:
    """Return the weights of a binary classifier's rows."""
    positive = np.array([candidate.positive_weight for candidate in candidates], np.float32)
    if np.all(positive == 1):
        return RowWeights()
    table = np.stack([np.ones_like(positive), positive])
    if np.all(positive == positive[0]):
        return RowWeights(table[:, :1], table[:, :1])
    return RowWeights(table)


def balanced_weights(counts: NDArray[np.float64]) -> RowWeights:
    """Return weights by which all classes count the same; the mean over the rows is 1."""
    table = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    column = table[:, np.newaxis].astype(np.float32)
    return RowWeights(column, column)
