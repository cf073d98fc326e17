"""Linear Learner: many linear models trained side by side in one pass; the best is kept."""

from wildsage.algorithms.linear_learner.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["SPEC", "LinearLearner"]


class LinearLearner(Estimator):
    """Linear regression and classification; `predict` gives each row's ``score`` and, for classes, ``predicted_label``.

    Hyperparameters are those of `SPEC`; ``predictor_type`` has to be given.

    >>> rows = [[float(number)] for number in range(10)]
    >>> labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> model = LinearLearner(predictor_type="binary_classifier").fit(rows, labels)
    >>> model.predict(rows)["predicted_label"].tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> model.metrics["train:roc_auc_score"]
    1.0
    """

    spec = SPEC
