"""Evaluation metrics: their names, and which direction is better."""

from collections.abc import Mapping
from typing import Final

MAXIMIZED: Final = (
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
MINIMIZED: Final = (
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)
BINARY: Final = frozenset({"f1_binary", "precision", "recall"})
"""Of two classes only."""
PARAMETRIZED: Final = ("error@", "ndcg@", "map@", "tweedie-nloglik@")
"""Names that may carry a parameter: ``error@0.7``."""

# Container versions that kept interval-regression-accuracy among the minimized ones are followed for tuning;
# early stopping must know that more is better.
_DIRECTION: Final[Mapping[str, bool]] = {
    **dict.fromkeys(MAXIMIZED, True),
    **dict.fromkeys(MINIMIZED, False),
    "interval-regression-accuracy": True,
}


def is_maximized(name: str) -> bool:
    """Tell whether a larger value is better."""
    return _DIRECTION[name.partition("@")[0]]
