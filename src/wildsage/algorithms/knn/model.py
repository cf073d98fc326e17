"""A trained model: rows to their nearest neighbours, and those to a prediction."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.knn.flat import FlatIndex, Matrix
from wildsage.algorithms.knn.index_files import read_index
from wildsage.algorithms.knn.inverted import InvertedIndex
from wildsage.algorithms.knn.settings import Settings
from wildsage.algorithms.knn.votes import majority, mean
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.inference import Columns
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.model_files import MODEL_FILE, find_model_file
from wildsage.toolkit.serving import RequestError

_FLAGS = {"true": True, "false": False}


class NearestNeighbours:
    """Predicts from the labels of the nearest rows of an index.

    Parameters
    ----------
    labels
        (n,), of the index's rows.

    Raises
    ------
    UserError
        If index, labels and settings do not fit together.
    """

    def __init__(
        self, index: FlatIndex | InvertedIndex, labels: NDArray[np.float32], settings: Settings
    ) -> None:
        self._index = index
        self._labels = labels
        self._settings = settings
        self._reduce = None if settings.reduction is None else settings.reduction.mapping()
        width = index.dimension if settings.reduction is None else settings.reduction.target_dim
        columns = index.dimension if settings.reduction is None else settings.reduction.input_dim
        self._feature_dim = settings.feature_dim or columns
        if len(labels) != index.count:
            raise UserError(f"the index has {index.count} rows, but there are {len(labels)} labels")
        if width != index.dimension or self._feature_dim > columns:
            raise UserError(
                f"the settings are for an index of {max(width, self._feature_dim)} columns, but it has {index.dimension}"
            )
        self._k = min(settings.k, index.count)
        if self._k < settings.k:
            LOGGER.warning("k is %d, but the index has %d rows only: all are asked", settings.k, self._k)

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        return self._feature_dim

    def predict(self, features: Matrix, options: Mapping[str, str]) -> Columns:
        """Return the ``predicted_label`` of each row; with ``verbose=true`` also ``distances`` and ``labels``.

        Raises
        ------
        RequestError
            For another value of ``verbose`` than true and false.
        """
        verbose = options.get("verbose", "false")
        if verbose.lower() not in _FLAGS:
            raise RequestError(406, f"verbose is '{verbose}': use verbose=true or verbose=false")
        distances, found = self._index.search(self._points(features), self._k)
        labels = self._labels[found]
        predict = majority if self._settings.predictor_type == "classifier" else mean
        columns = {"predicted_label": predict(labels)}
        return columns | {"distances": distances, "labels": labels} if _FLAGS[verbose.lower()] else columns

    def _points(self, features: Matrix) -> Matrix:
        points = features if self._reduce is None else self._reduce(features)
        points = widened(points, self._index.dimension)
        return normalized(points) if self._settings.normalize else points


def widened(points: Matrix, width: int) -> Matrix:
    """Add columns of zeros: distances and inner products stay."""
    missing = width - points.shape[1]
    return np.pad(points, ((0, 0), (0, missing))) if missing else points


def normalized(points: Matrix) -> Matrix:
    """Bring rows to length 1; a row of zeros stays."""
    lengths = np.sqrt(np.einsum("nd,nd->n", points, points, dtype=np.float64))
    lengths[lengths == 0] = 1
    scaled: Matrix = (points / lengths[:, np.newaxis]).astype(np.float32)
    return scaled


def read_model(folder: Path) -> NearestNeighbours:
    """Read ``model_algo-*``, its ``.labels`` and its ``.json`` from a model's folder.

    Raises
    ------
    UserError
        If a file is missing, or holds something else.
    AlgorithmError
        If the index needs FAISS, which is not installed.
    """
    file = find_model_file(
        folder, f"k-NN expects {MODEL_FILE} with an index of FAISS, {MODEL_FILE}.labels and {MODEL_FILE}.json"
    )
    labels, settings = (file.with_name(f"{file.name}.{suffix}") for suffix in ("labels", "json"))
    for needed in (labels, settings):
        if not needed.exists():
            raise UserError(f"the model has no file {needed.name}")
    known = Settings.decode(settings.read_text(), settings.name)
    return NearestNeighbours(read_index(file, known.nprobe), np.fromfile(labels, "<f4"), known)
