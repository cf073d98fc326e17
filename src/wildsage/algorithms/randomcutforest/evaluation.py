"""What scores are worth where it is known which rows are anomalies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DEVIATIONS = 3


def flagged(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell anomalies: scores above the mean by more than three standard deviations, all of these scores."""
    above: NDArray[np.bool_] = scores > scores.mean() + _DEVIATIONS * scores.std()
    return above


@dataclass(frozen=True, slots=True)
class Found:
    """How well one class was told from the other; 0 where a share has nothing below its line."""

    precision: float
    recall: float
    f1: float


def found(is_member: NDArray[np.bool_], taken: NDArray[np.bool_]) -> Found:
    """Measure rows that were taken for members of a class."""
    right = int((is_member & taken).sum())
    members, takes = int(is_member.sum()), int(taken.sum())
    return Found(right / max(takes, 1), right / max(members, 1), 2 * right / max(members + takes, 1))
