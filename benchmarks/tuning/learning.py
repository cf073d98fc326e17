"""Real training as what is searched: two built-in algorithms on data that comes with scikit-learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split

from wildsage.algorithms.linear_learner import LinearLearner
from wildsage.algorithms.xgboost import XGBoost
from wildsage.search.ranges import ContinuousRange, IntegerRange, Range
from wildsage.search.scales import ScaleName
from wildsage.search.space import Space
from wildsage.search.trial import Values
from wildsage.toolkit.estimator import Estimator
from wildsage.toolkit.hyperparameters import Integer

TRIALS = 30
HELD_OUT = 0.4


@dataclass(frozen=True, slots=True)
class Training:
    """An algorithm on a data set: its metric of held-out rows is minimized.

    Attributes
    ----------
    data
        Of `sklearn.datasets`, without ``load_``.
    fixed
        Hyperparameters that are not searched.
    """

    algorithm: type[Estimator]
    data: str
    metric: str
    fixed: Mapping[str, object]
    space: Space
    trials: int = TRIALS

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.algorithm.spec.title}, {self.data}"

    def value(self, values: Values) -> float:
        """Train, and return the metric."""
        rows, held, labels, held_labels = split(self.data)
        model = self.algorithm(**self.fixed, **values).fit(rows, labels, validation=(held, held_labels))
        return float(model.metrics[self.metric])


@cache
def split(data: str) -> tuple[NDArray[np.float32], ...]:
    """Return rows to learn from, rows held out, and the labels of both."""
    found = getattr(datasets, f"load_{data}")()
    rows, labels = found.data.astype(np.float32), found.target.astype(np.float32)
    return tuple(train_test_split(rows, labels, test_size=HELD_OUT, random_state=0))


def searched(
    algorithm: type[Estimator],
    name: str,
    low: float | None = None,
    high: float | None = None,
    scale: ScaleName | None = None,
) -> Range:
    """Return the range that an algorithm declares to be tunable, or a part of it, perhaps on another scale.

    Raises
    ------
    ValueError
        If it declares none, or none as wide.
    """
    item = next(one for one in algorithm.spec.hyperparameters if one.name == name)
    tunable = item.tunable
    if tunable is None or tunable.low is None or tunable.high is None:
        raise ValueError(f"{name} of {algorithm.spec.title} has no range of numbers to tune")
    low, high = tunable.low if low is None else low, tunable.high if high is None else high
    if not tunable.low <= low < high <= tunable.high:
        raise ValueError(f"{name} is tuned from {tunable.low} to {tunable.high}, not from {low} to {high}")
    if isinstance(item, Integer):
        return IntegerRange(name, int(low), int(high), scale or tunable.scale)
    return ContinuousRange(name, low, high, scale or tunable.scale)


_BOOSTED = Space(
    (
        # Few rounds keep a training short. Where a declared range begins at 0, a logarithmic one begins above.
        searched(XGBoost, "num_round", high=150, scale="Logarithmic"),
        searched(XGBoost, "eta"),
        searched(XGBoost, "max_depth", low=1),
        searched(XGBoost, "min_child_weight", low=1, scale="Logarithmic"),
        searched(XGBoost, "subsample"),
        searched(XGBoost, "colsample_bytree"),
        searched(XGBoost, "gamma", low=1e-3, scale="Logarithmic"),
        searched(XGBoost, "lambda", low=1e-3, scale="Logarithmic"),
        searched(XGBoost, "alpha", low=1e-3, scale="Logarithmic"),
    )
)
_LINEAR = Space(
    (
        searched(LinearLearner, "learning_rate"),
        searched(LinearLearner, "wd"),
        searched(LinearLearner, "l1"),
        # The smallest data set has 265 rows to learn from.
        searched(LinearLearner, "mini_batch_size", high=250),
    )
)


def _boosted(data: str, metric: str, objective: str) -> Training:
    given = {"objective": objective, "eval_metric": metric, "nthread": 1}
    return Training(XGBoost, data, f"validation:{metric}", given, _BOOSTED)


def _linear(data: str, predictor: str) -> Training:
    given = {"predictor_type": predictor, "num_models": 1, "epochs": 10}
    return Training(LinearLearner, data, "validation:objective_loss", given, _LINEAR)


TRAININGS = (
    _boosted("breast_cancer", "logloss", "binary:logistic"),
    _boosted("diabetes", "rmse", "reg:squarederror"),
    _linear("breast_cancer", "binary_classifier"),
    _linear("diabetes", "regressor"),
)
