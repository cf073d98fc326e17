"""K-Means (web-scale k-means): mini-batches over many centres, shrunk to k at the end."""

from wildsage.algorithms.kmeans.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["SPEC", "KMeans"]


class KMeans(Estimator):
    """Centres of k groups of rows; `predict` gives each row's ``closest_cluster`` and ``distance_to_cluster``.

    Hyperparameters are those of `SPEC`.

    >>> rows = [[0.0], [1.0], [10.0], [11.0]]
    >>> model = KMeans(k=2).fit(rows, test=rows)
    >>> model.predict(rows)["distance_to_cluster"].tolist()
    [0.5, 0.5, 0.5, 0.5]
    >>> model.metrics["test:msd"]
    0.25
    """

    spec = SPEC
