"""Means and standard deviations of features and labels, and weights as the raw data needs them.

Rows are never changed: a model of normalized rows is, with other weights, one of raw rows. Training goes to and fro
between the two, so that sparse rows stay sparse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.products import (
    Array,
    column_sums,
    times,
    transposed_times,
)
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is done to data: the mean taken from it, and a division by the standard deviation."""

    unbias_data: bool
    normalize_data: bool
    unbias_label: bool
    normalize_label: bool


@dataclass(frozen=True, slots=True)
class Scaling:
    """Normalized features are (x - mean) · scale, normalized labels (y - label_mean) / label_scale.

    Attributes
    ----------
    mean, scale
        (d,).
    constant
        (d,): columns in which the rows looked at do not differ. Their scale is 1, or 0 where a mean is taken: what
        is left of them then is rounding, which some optimizers would follow.
    """

    mean: Array
    scale: Array
    constant: NDArray[np.bool_]
    label_mean: float = 0.0
    label_scale: float = 1.0

    def labels(self, labels: Array) -> Array:
        """Normalize labels."""
        return (labels - np.float32(self.label_mean)) / np.float32(self.label_scale)

    def raw_weights(self, parameters: Array) -> tuple[Array, Array]:
        """Return weights (d, k) and biases (k,) that give of raw rows what `parameters` give of normalized ones.

        Parameters
        ----------
        parameters
            (d + 1, k), the bias last.
        """
        weights = parameters[:-1] * self.scale[:, np.newaxis]
        return weights, parameters[-1] - self.mean @ weights

    def normalized_gradient(self, products: Array, sums: Array) -> Array:
        """Return the gradient by the parameters of normalized rows, (d + 1, k).

        Parameters
        ----------
        products
            (d, k): raw rows, transposed, times the slopes.
        sums
            (k,): of the slopes.
        """
        centred = products - np.outer(self.mean, sums)
        centred *= self.scale[:, np.newaxis]
        return np.concatenate([centred, sums[np.newaxis]])

    def final_weights(
        self, parameters: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights and biases of raw rows that predict raw labels."""
        weights = parameters[:-1] * self.scale[:, np.newaxis]
        biases = parameters[-1] - self.mean @ weights
        return weights * self.label_scale, biases * self.label_scale + self.label_mean

    def described(self) -> dict[str, Any]:
        """Return its numbers as the log gives them; None: nothing is done to them."""
        has_label = self.label_mean != 0 or self.label_scale != 1
        return {
            "stdev_weight": np.divide(
                1, self.scale, where=self.scale > 0, out=np.zeros_like(self.scale)
            ).tolist(),
            "mean_weight": self.mean.tolist(),
            "stdev_label": self.label_scale if has_label else None,
            "mean_label": self.label_mean if has_label else None,
        }

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint keeps."""
        return {
            "scaling.mean": self.mean,
            "scaling.scale": self.scale,
            "scaling.constant": self.constant,
            "scaling.label": np.array([self.label_mean, self.label_scale]),
        }

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]]) -> "Scaling":
        """Return the scaling of a checkpoint."""
        mean, scale, constant = (state[f"scaling.{name}"] for name in ("mean", "scale", "constant"))
        label_mean, label_scale = state["scaling.label"]
        return cls(mean, scale, constant, float(label_mean), float(label_scale))


_LEAST_DEVIATION = 1e-30
"""One over less is hardly a number of float32."""


def scaling_of(sample: Sequence[Rows], width: int, wanted: Wanted, hosts: Collective) -> Scaling:
    """Find the scaling of a sample of the rows; each host has its own part, which may be empty."""
    count = max(float(hosts.sum(np.array([float(sum(map(len, sample)))]))[0]), 1.0)
    zeros = np.zeros(width)
    mean = hosts.sum(sum((column_sums(rows.features, zeros, 1) for rows in sample), zeros)) / count
    variance = hosts.sum(sum((column_sums(rows.features, mean, 2) for rows in sample), zeros)) / count
    labels = np.concatenate([np.zeros(0), *(rows.labels[:, 0].astype(np.float64) for rows in sample)])
    label_mean = float(hosts.sum(np.array([labels.sum()]))[0]) / count
    label_variance = float(hosts.sum(np.array([((labels - label_mean) ** 2).sum()]))[0]) / count
    # What is left of equal float32 numbers when their mean is taken is rounding, no spread.
    constant = variance <= np.maximum(1e-6 * np.abs(mean), _LEAST_DEVIATION) ** 2
    taken = mean if wanted.unbias_data else zeros
    scale = 1 / np.sqrt(np.where(constant, 1, variance)) if wanted.normalize_data else np.ones(width)
    return Scaling(
        mean=taken.astype(np.float32),
        scale=np.where(constant & (taken != 0), 0, scale).astype(np.float32),
        constant=constant,
        label_mean=label_mean if wanted.unbias_label else 0.0,
        label_scale=label_variance**0.5 if wanted.normalize_label and label_variance > 0 else 1.0,
    )


_ITERATIONS = 20


def curvature_of(sample: Sequence[Rows], scaling: Scaling) -> float:
    """Return the greatest eigenvalue of the mean of x xᵀ over normalized rows with a 1 behind, by the power method.

    No rows have none.
    """
    count = sum(map(len, sample))
    direction = np.ones((len(scaling.mean) + 1, 1), np.float32)
    greatest = 0.0
    for _ in range(_ITERATIONS if count else 0):
        direction /= max(float(np.linalg.norm(direction)), 1e-12)
        weights, biases = scaling.raw_weights(direction)
        image = np.zeros_like(direction)
        for rows in sample:
            along = times(rows.features, weights) + biases
            image += scaling.normalized_gradient(transposed_times(rows.features, along), along.sum(axis=0))
        direction = image / np.float32(count)
        greatest = float(np.linalg.norm(direction))
    return greatest
