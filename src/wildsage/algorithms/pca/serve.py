"""``serve``: the projection of each row of a request."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.pca.spec import SPEC
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.inference import Columns, RowsPredictor
from wildsage.toolkit.model_files import MODEL_FILE, read_model_arrays


class Projection:
    """A trained model, or directions that a user brings.

    Parameters
    ----------
    mean
        (d,), taken from the rows first.
    directions
        (d, k).
    """

    def __init__(self, mean: NDArray[np.float32], directions: NDArray[np.float32]) -> None:
        self._mean = mean
        self._directions = directions

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return len(self._directions)

    def predict(self, features: NDArray[np.float32], options: Mapping[str, str]) -> Columns:
        """Return the ``projection`` of each row: k numbers, the largest component's is the last."""
        del options  # there is nothing else to say
        return {"projection": (features - self._mean) @ self._directions}


def load(folder: Path) -> RowsPredictor:
    """Load ``model_algo-*`` from a model's folder: an NDArray file with ``v`` (d, k) and perhaps ``mean`` (1, d).

    Raises
    ------
    UserError
        If there is no such file.
    """
    model = read_model_arrays(folder, f"PCA expects a file {MODEL_FILE} with the arrays mean, v and s")
    directions = model.named.get("v")
    if directions is None or directions.ndim != 2 or 0 in directions.shape:
        raise model.unexpected("are the arrays v of shape (d, k) and mean of (1, d)")
    mean = model.named.get("mean", np.zeros((1, len(directions))))
    if mean.size != len(directions):
        raise UserError(
            f"{model.file}: mean has {mean.size} numbers, but v is for rows of {len(directions)} features"
        )
    return RowsPredictor(SPEC, Projection(mean.reshape(-1).astype(np.float32), directions.astype(np.float32)))
