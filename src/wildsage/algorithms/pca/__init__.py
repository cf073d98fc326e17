"""PCA: the directions in which the rows vary most, found in one pass."""

from wildsage.algorithms.pca.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["PCA", "SPEC"]


class PCA(Estimator):
    """Principal components of the rows of a matrix; `predict` gives each row's ``projection``.

    Hyperparameters are those of `SPEC`. The largest component is the last one, as in AWS's artifacts.

    >>> rows = [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]
    >>> model = PCA(num_components=1).fit(rows)
    >>> model.predict(rows)["projection"].tolist()
    [[-5.0], [0.0], [5.0]]
    """

    spec = SPEC
