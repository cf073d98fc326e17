"""The models that are trained side by side: which hyperparameters each has, and how its learning rate falls."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MODELS: Final = 32
_MOST_OUTPUTS: Final = 128
_LEAST_MODELS: Final = 4
_MOST_PARAMETERS: Final = 1 << 22
"""Scores of a row, and weights, of all models together, where their number is automatic."""
_RATE_FACTORS: Final = (1.0, 0.3, 3.0, 0.1)
_DESCENT_FACTORS: Final = (1.0, 0.3, 0.1, 0.03)
"""Gradient descent diverges beyond the rate that the first model has."""
_PENALTIES: Final = ((1, 0), (0, 0), (10, 0), (100, 0), (0.1, 0), (0, 1), (0, 10), (1000, 0))
"""wd and l1, as multiples of the usual penalty."""
_SCORE_VARIANCE: Final = 7.0
_MOST_USUAL: Final = 200.0
_LEAST_RATE, _MOST_RATE = 0.005, 0.3
_REACH: Final = 120.0
_LEFT_AT_THE_END: Final = 0.01
_MINIMUM_RATE: Final = 1e-5
_MOST_BIAS_RATE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one model is trained with.

    Attributes
    ----------
    positive_weight
        Of a positive row; a negative one has 1.
    """

    learning_rate: float
    wd: float
    l1: float
    positive_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Occasion:
    """What automatic values depend on.

    Attributes
    ----------
    steps
        Of the whole training; None: not known before the first epoch is over.
    rows
        Of all hosts; None: not known.
    can_choose
        There are rows apart from those of training, which tell penalties apart.
    outputs
        Scores that a model gives of a row.
    features
        Columns of a row.
    curvature
        The greatest of the loss, which bounds the rate of gradient descent.
    balance
        Negative rows for each positive one.
    precision
        wd times the rows, as it was found by cross validation; None: it was not looked for.
    """

    steps: int | None
    rows: int | None
    can_choose: bool
    outputs: int
    features: int
    curvature: float
    balance: float = 1.0
    precision: float | None = None

    @property
    def weights(self) -> int:
        """Of one model, biases among them."""
        return (self.features + 1) * self.outputs

    @property
    def penalty(self) -> float:
        """The usual wd: what was found to suit, else what is expected of weights whose scores vary by seven together.

        By itself a score varies by one at most. Of very many features more is expected than that, for most rows have
        few of them.
        """
        if not self.rows:
            return 0.0
        if self.precision is not None:
            return self.precision / self.rows
        return min(max(self.features / _SCORE_VARIANCE, 1.0), _MOST_USUAL) / self.rows


def number_of_models(parameters: Mapping[str, Any], occasion: Occasion) -> int:
    """Return how many models are trained; a tuning job looks for the best settings itself."""
    if parameters["_tuning_objective_metric"]:
        return 1
    if parameters["num_models"] != "auto":
        return int(parameters["num_models"])
    wanted = min(_MODELS, max(_LEAST_MODELS, _MOST_OUTPUTS // occasion.outputs))
    return max(1, min(wanted, _MOST_PARAMETERS // occasion.weights))


def candidates_of(parameters: Mapping[str, Any], occasion: Occasion) -> list[Candidate]:
    """List the models: the first has what is given, or else the defaults; the others vary what is automatic.

    Where there are fewer combinations than models, they come again, and differ in their first weights.
    """
    combinations = itertools.product(
        _positive_weights(parameters["positive_example_weight_mult"], occasion.balance),
        _penalties(parameters["wd"], parameters["l1"], occasion),
        _rates(parameters, occasion),
    )
    listed = [Candidate(rate, wd, l1, weight) for weight, (wd, l1), rate in combinations]
    count = number_of_models(parameters, occasion)
    if len(listed) > count:
        # Rates come first, then penalties; weights of classes are spread over all.
        step = len(listed) / count if parameters["positive_example_weight_mult"] == "auto" else 1
        return [listed[int(number * step)] for number in range(count)]
    return list(itertools.islice(itertools.cycle(listed), count))


def _positive_weights(given: Any, balance: float) -> Sequence[float]:
    if given == "auto":
        return (1.0, balance**0.5, balance)
    return (balance if given == "balanced" else float(given),)


def _penalties(wd: Any, l1: Any, occasion: Occasion) -> Sequence[tuple[float, float]]:
    part = occasion.penalty
    offered = _PENALTIES if occasion.can_choose else _PENALTIES[:1]
    chosen = ((a * part if wd == "auto" else wd, b * part if l1 == "auto" else l1) for a, b in offered)
    return list(dict.fromkeys(chosen))


def _rates(parameters: Mapping[str, Any], occasion: Occasion) -> Sequence[float]:
    if parameters["learning_rate"] != "auto":
        return (float(parameters["learning_rate"]),)
    if parameters["optimizer"] == "sgd":
        return [factor / occasion.curvature for factor in _DESCENT_FACTORS]
    # A step of Adam moves a weight by about the rate: few steps have to be long to get anywhere.
    rate = _LEAST_RATE
    if occasion.steps is not None:
        rate = min(max(_REACH / occasion.steps, _LEAST_RATE), _MOST_RATE)
    return [factor * rate for factor in _RATE_FACTORS]


def bias_multipliers(given: Any, rates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how many times as fast the bias of each model learns."""
    if given != "auto":
        return np.full_like(rates, given)
    multipliers: NDArray[np.float32] = np.clip(_MOST_BIAS_RATE / rates, 1, 10)
    return multipliers


class Schedule:
    """How the learning rates fall: by a factor after every so many steps, down to a least rate.

    Parameters
    ----------
    parameters
        Hyperparameters.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._falls = parameters["use_lr_scheduler"]
        self._step = parameters["lr_scheduler_step"]
        self._factor = parameters["lr_scheduler_factor"]
        least = parameters["lr_scheduler_minimum_lr"]
        self.minimum = _MINIMUM_RATE if least == "auto" else float(least)

    def step(self, total: int | None) -> int:
        """Return after how many steps the rates fall, of a training of `total` steps (None: not known yet)."""
        if self._step != "auto":
            return int(self._step)
        return max(1, (total or 10_000) // 100)

    def factor(self, total: int | None) -> float:
        """Return what they are multiplied with then."""
        if self._factor != "auto":
            return float(self._factor)
        if total is None:
            return 1.0
        return float(_LEFT_AT_THE_END ** (self.step(total) / max(total, 1)))

    def rates(self, first: NDArray[np.float32], done: int, total: int | None) -> NDArray[np.float32]:
        """Return the rates after some steps, from those of the first."""
        if not self._falls:
            return first
        fallen = first * np.float32(self.factor(total) ** (done // self.step(total)))
        rates: NDArray[np.float32] = np.maximum(fallen, np.minimum(first, np.float32(self.minimum)))
        return rates
