"""k-NN: the labels of the nearest rows of a sample."""

from wildsage.algorithms.knn.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["KNN", "SPEC"]


class KNN(Estimator):
    """Looks up the k nearest rows; `predict` gives the ``predicted_label`` that most of them have, or their mean.

    Hyperparameters are those of `SPEC`; ``sample_size`` is the count of rows where it is not given.
    ``faiss.IVFFlat`` and ``faiss.IVFPQ`` need FAISS: ``pip install 'wildsage[knn]'``.

    >>> rows, labels = [[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1]
    >>> model = KNN(k=2, predictor_type="classifier").fit(rows, labels)
    >>> answer = model.predict([[9.0]], verbose="true")
    >>> answer["predicted_label"].tolist(), answer["distances"].tolist(), answer["labels"].tolist()
    ([1.0], [[1.0, 2.0]], [[1.0, 1.0]])
    """

    spec = SPEC
