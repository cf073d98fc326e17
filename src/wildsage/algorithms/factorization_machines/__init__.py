"""Factorization Machines: a linear model and the interactions of all pairs of features, for wide sparse rows."""

from wildsage.algorithms.factorization_machines.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["SPEC", "FactorizationMachines"]


class FactorizationMachines(Estimator):
    """Regression or binary classification; `predict` gives each row's ``score``, and ``predicted_label`` of two classes.

    Hyperparameters are those of `SPEC`. Rows may be a sparse matrix of scipy. Not for data in which few features
    interact: a linear model, or trees, are better there.

    >>> rows = [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
    >>> labels = [1, 0, 0, 1]  # no linear model tells them apart
    >>> model = FactorizationMachines(num_factors=4, predictor_type="binary_classifier", epochs=200)
    >>> model.fit(rows, labels).predict(rows)["predicted_label"].tolist()
    [1, 0, 0, 1]
    """

    spec = SPEC
