"""``serve``: nearest centre and distance for each row of a request."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.spec import SPEC
from wildsage.toolkit.inference import Columns, RowsPredictor
from wildsage.toolkit.model_files import MODEL_FILE, read_model_arrays


class NearestCentre:
    """A trained model, or centres that a user brings.

    Parameters
    ----------
    centres
        (k, d).
    """

    def __init__(self, centres: NDArray[np.float32]) -> None:
        # Near the origin the float32 product is exact enough to compare distances.
        self._origin = centres.mean(axis=0)
        self._centres = centres - self._origin

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return len(self._origin)

    def predict(self, features: NDArray[np.float32], options: Mapping[str, str]) -> Columns:
        """Return ``closest_cluster`` and ``distance_to_cluster`` (Euclidean, not squared) of each row."""
        del options  # there is nothing else to say
        points = features - self._origin
        labels, _ = assign(points, self._centres)
        distances = np.sqrt(squared_distances(points, self._centres, labels))
        return {"closest_cluster": labels.astype(np.float32), "distance_to_cluster": distances}


def load(folder: Path) -> RowsPredictor:
    """Load ``model_algo-*`` from a model's folder: an NDArray file with one (k, d) matrix.

    Raises
    ------
    UserError
        If there is no such file.
    """
    model = read_model_arrays(folder, f"K-Means expects a file {MODEL_FILE} with the centres")
    if len(model.arrays) != 1 or model.arrays[0].ndim != 2 or 0 in model.arrays[0].shape:
        raise model.unexpected("is one of shape (k, d)")
    return RowsPredictor(SPEC, NearestCentre(model.arrays[0].astype(np.float32)))
