"""``serve``: the score of each row of a request, and its class."""

from pathlib import Path

from wildsage.algorithms.linear_learner.artifact import load_model
from wildsage.algorithms.linear_learner.spec import SPEC
from wildsage.toolkit.inference import RowsPredictor


def load(folder: Path) -> RowsPredictor:
    """Load ``model_algo-*`` from a model's folder, of ours or in AWS's layout.

    Raises
    ------
    UserError
        If there is no such file, or it holds no linear model.
    """
    return RowsPredictor(SPEC, load_model(folder), keeps_sparse=True)
