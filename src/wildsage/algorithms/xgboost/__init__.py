"""XGBoost: gradient-boosted trees by the library of that name, under SageMaker's contract."""

from wildsage.algorithms.xgboost.spec import SPEC

__all__ = ["SPEC"]
