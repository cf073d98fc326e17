"""``serve``: nearest centre and distance for each row of a request."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.spec import SPEC
from wildsage.formats.errors import FormatError
from wildsage.formats.ndarray import read_ndarrays
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.inference import parse_matrix, render_columns
from wildsage.toolkit.serving import Predictor, RequestError


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

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer ``closest_cluster`` and ``distance_to_cluster`` (Euclidean, not squared) for each row."""
        rows = parse_matrix(body, content_type, SPEC.request_types)
        if rows.shape[1] != self._centres.shape[1]:
            raise RequestError(
                400,
                f"the rows have {rows.shape[1]} features, the model was trained with {self._centres.shape[1]}",
            )
        points = rows - self._origin
        labels, _ = assign(points, self._centres)
        distances = np.sqrt(squared_distances(points, self._centres, labels))
        columns = {"closest_cluster": labels.astype(np.float32), "distance_to_cluster": distances}
        return render_columns(columns, accept, SPEC.response_types)


def load(folder: Path) -> Predictor:
    """Load ``model_algo-*`` from a model's folder: an NDArray file with one (k, d) matrix.

    Raises
    ------
    UserError
        If there is no such file.
    """
    found = sorted(folder.glob("model_algo-*"))
    if not found:
        names = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise UserError(f"the model holds {names}; K-Means expects a file model_algo-1 with the centres")
    try:
        arrays, _ = read_ndarrays(found[0].read_bytes(), found[0].name)
    except FormatError as error:
        raise UserError("The model cannot be read") from error
    if len(arrays) != 1 or arrays[0].ndim != 2 or 0 in arrays[0].shape:
        shapes = [array.shape for array in arrays]
        raise UserError(
            f"{found[0].name} holds arrays of the shapes {shapes}; expected is one of shape (k, d)"
        )
    return NearestCentre(arrays[0].astype(np.float32))
