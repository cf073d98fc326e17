"""XGBoost: gradient-boosted trees by the library of that name, under SageMaker's contract."""

from typing import Any, Self

from wildsage.algorithms.xgboost.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["SPEC", "XGBoost"]


class XGBoost(Estimator):
    """Gradient-boosted trees; `predict` gives the library's prediction of each row as ``score``.

    Hyperparameters are those of `SPEC`. NaN, and what a sparse matrix leaves out, is a missing value. The model is
    the one that `xgboost.train` makes with the same parameters.

    >>> rows = [[0.0], [1.0], [2.0], [3.0]]
    >>> model = XGBoost(num_round=20, objective="binary:logistic", min_child_weight=0).fit(rows, [0, 0, 1, 1])
    >>> model.predict(rows, output="predicted_label")["predicted_label"].tolist()
    [0, 0, 1, 1]
    """

    spec = SPEC

    def fit(
        self, features: Any, labels: Any = None, *, weights: Any = None, groups: Any = None, **channels: Any
    ) -> Self:
        """Train.

        Parameters
        ----------
        features
            (n, d): an array, or a sparse matrix of scipy.
        labels
            (n,).
        weights
            (n,), how much each row counts.
        groups
            (n,), of a ranking: the number of the query that each row belongs to. Rows of a query follow each other.
        **channels
            ``validation``: features, labels and, where the training data has them, weights and groups.

        Raises
        ------
        UserError
            For hyperparameters and data that the algorithm cannot take, in the words of a training job.
        """
        return self._fit({"train": (features, labels, weights, groups), **channels})
