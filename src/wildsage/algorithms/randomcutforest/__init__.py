"""Random Cut Forest: how far each row lies from where most rows are."""

from wildsage.algorithms.randomcutforest.spec import SPEC
from wildsage.toolkit.estimator import Estimator

__all__ = ["SPEC", "RandomCutForest"]


class RandomCutForest(Estimator):
    """Scores of anomaly: `predict` gives each row's ``score``, about 1 where most rows are and more away from them.

    With ``attribution="true"`` it also gives the ``attribution`` of the score to the features, (n, d), which adds up
    to it. Hyperparameters are those of `SPEC`.

    Not for features of very different ranges: those of the largest decide, so scale them first. Not for single rows
    that lie among others and differ in the relation of their features only.

    >>> rows = [[x / 10, y / 10] for x in range(10) for y in range(10)]
    >>> model = RandomCutForest(num_trees=50).fit(rows, test=([*rows, [5, 0.5]], [0] * 100 + [1]))
    >>> model.metrics["test:f1"]
    1.0
    >>> found = model.predict([[0.5, 0.5], [5, 0.5]], attribution="true")
    >>> found["score"].round(1).tolist()
    [0.9, 5.4]
    >>> found["attribution"].round(1).tolist()
    [[0.5, 0.4], [5.4, 0.0]]
    """

    spec = SPEC
