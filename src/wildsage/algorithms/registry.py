"""Which built-in algorithms there are. Only names: a declaration is imported when it is asked for."""

from collections.abc import Mapping
from typing import Final

from wildsage.toolkit.resolve import load_spec as _load
from wildsage.toolkit.spec import AlgorithmSpec

MODULES: Final[Mapping[str, str]] = {
    "factorization-machines": "wildsage.algorithms.factorization_machines",
    "kmeans": "wildsage.algorithms.kmeans",
    "knn": "wildsage.algorithms.knn",
    "linear-learner": "wildsage.algorithms.linear_learner",
    "pca": "wildsage.algorithms.pca",
    "randomcutforest": "wildsage.algorithms.randomcutforest",
    "xgboost": "wildsage.algorithms.xgboost",
}
"""Package by the algorithm's name."""

REPOSITORIES: Final[Mapping[str, str]] = {
    "factorization-machines": "factorization-machines",
    "kmeans": "kmeans",
    "knn": "knn",
    "linear-learner": "linear-learner",
    "pca": "pca",
    "randomcutforest": "randomcutforest",
    "sagemaker-xgboost": "xgboost",
    "xgboost": "xgboost",
}
"""Algorithm by the repository of its image."""


def load_spec(name: str) -> AlgorithmSpec:
    """Return the declaration of an algorithm, without importing numpy or the algorithm's code.

    Raises
    ------
    KeyError
        If there is no such algorithm.
    """
    return _load(MODULES[name])
