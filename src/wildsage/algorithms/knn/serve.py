"""``serve``: label and neighbours of each row of a request."""

from pathlib import Path

from wildsage.algorithms.knn.model import read_model
from wildsage.algorithms.knn.spec import SPEC
from wildsage.toolkit.inference import RowsPredictor


def load(folder: Path) -> RowsPredictor:
    """Load the three files of a model.

    Raises
    ------
    UserError
        If they are no model.
    AlgorithmError
        If the index needs FAISS, which is not installed.
    """
    return RowsPredictor(SPEC, read_model(folder))
