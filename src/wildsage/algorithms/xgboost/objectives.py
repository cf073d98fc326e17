"""Objectives: their names, and what the container knows of each."""

from typing import Final

DEFAULT: Final = "reg:squarederror"
OBJECTIVES: Final = (
    "aft_loss_distribution",
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:linear",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
"""What the hyperparameter accepts. The first is no objective of the library, which says so."""

MULTI_CLASS: Final = frozenset({"multi:softmax", "multi:softprob"})
LABELS_UP_TO_ONE: Final = frozenset({"binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"})
LABELS_NOT_NEGATIVE: Final = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
VOTING: Final = frozenset({"multi:softmax", "binary:hinge"})
"""Predictions are classes: an ensemble votes instead of averaging."""


def is_classification(objective: str) -> bool:
    """Tell whether labels are classes."""
    return objective in MULTI_CLASS or objective.startswith("binary:")
