"""Training and prediction on arrays of this process: what is behind `wildsage.toolkit.estimator`."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.rows import Rows, as_float32
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.channels import ArrayChannel
from wildsage.toolkit.environment import Paths, TrainingEnvironment
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.inference import Columns, RowsPredictor
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.resolve import check_requirements, resolve
from wildsage.toolkit.spec import AlgorithmSpec
from wildsage.toolkit.training import TrainingRun, log_unused

_HOST = "algo-1"
_LARGEST_BATCH = 1000
"""Rows of a mini-batch where neither the user nor the algorithm says how many."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model.

    Attributes
    ----------
    metrics
        The last value of each, by name.
    folder
        Holds the model's files.
    """

    predictor: RowsPredictor
    folder: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    _temporary: tempfile.TemporaryDirectory[str] | None = None

    def predict(self, features: Any, options: Mapping[str, str]) -> Columns:
        """Predict for each row of features, (n, d).

        Raises
        ------
        ValueError
            For rows of another width than the model's.
        RequestError
            For numbers that are too large for it, and for options that it does not have.
        """
        rows = _features(features)
        width = rows.width if isinstance(rows, SparseRows) else rows.shape[1]
        if width != self.predictor.model.feature_dim:
            trained = self.predictor.model.feature_dim
            raise ValueError(f"the rows have {width} features, the model was trained with {trained}")
        if isinstance(rows, SparseRows) and not self.predictor.keeps_sparse:
            rows = rows.dense()
        return self.predictor.columns(rows, options)

    def save(self, folder: Path) -> None:
        """Copy the model's files."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


def fit(spec: AlgorithmSpec, hyperparameters: Mapping[str, object], given: Mapping[str, object]) -> Fitted:
    """Train.

    Parameters
    ----------
    given
        Features, or a tuple of features, labels and perhaps weights and groups (None: none), by channel.

    Raises
    ------
    UserError
        For hyperparameters and data that the algorithm cannot take.
    """
    check_requirements(spec)
    spec.validate_channels(dict.fromkeys(given))
    channels = {
        name: ArrayChannel(name, _rows(name, content), largest=spec.largest)
        for name, content in given.items()
    }
    texts = {name: _text(value) for name, value in hyperparameters.items()}
    values = spec.validate(_from_data(spec, channels["train"].content) | texts)
    spec.validate_objective(values, channels)
    log_unused(spec, values, texts)
    temporary = tempfile.TemporaryDirectory(prefix="wildsage-")
    environment = TrainingEnvironment(Paths(Path(temporary.name)), texts, {}, _HOST, (_HOST,), "", {})
    environment.paths.model.mkdir()
    metrics = MetricLog(_HOST, spec.log_name)
    train: Callable[[TrainingRun], None] = resolve(spec.train)
    train(TrainingRun(spec, environment, values, metrics, channels))
    predictor = resolve(spec.serve)(environment.paths.model)
    return Fitted(predictor, environment.paths.model, metrics.last, temporary)


def load(spec: AlgorithmSpec, folder: Path) -> Fitted:
    """Load a model's files.

    Raises
    ------
    UserError
        If there is no model of this algorithm.
    """
    check_requirements(spec)
    return Fitted(resolve(spec.serve)(folder), folder)


def _from_data(spec: AlgorithmSpec, rows: Rows) -> dict[str, str]:
    """Find what the data says of hyperparameters that the algorithm has."""
    found = {
        "feature_dim": rows.width,
        "mini_batch_size": min(len(rows), _LARGEST_BATCH),
        "sample_size": len(rows),
    }
    wanted = {item.name for item in spec.hyperparameters if item.required or item.name == "feature_dim"}
    return {name: str(value) for name, value in found.items() if name in wanted}


def _text(value: object) -> str:
    """Write a value as a training job has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _rows(channel: str, content: object) -> Rows:
    given = content if isinstance(content, tuple) else (content,)
    features, labels, weights, groups = (*given, None, None, None)[:4]
    matrix = _features(features)
    for name, column in (("labels", labels), ("weights", weights), ("groups", groups)):
        if column is not None and len(column) != len(matrix):
            raise UserError(f"channel '{channel}' has {len(matrix)} rows, but {len(column)} {name}")
    return Rows(
        matrix,
        np.zeros((len(matrix), 0), np.float32)
        if labels is None
        else as_float32(labels).reshape(len(labels), -1),
        None if weights is None else as_float32(weights).reshape(-1),
        None if groups is None else np.asarray(groups, np.int64).reshape(-1),
    )


def _features(given: Any) -> NDArray[np.float32] | SparseRows:
    """Take an (n, d) array or a sparse matrix of scipy."""
    if hasattr(given, "tocsr"):
        matrix = given.tocsr(copy=True)
        matrix.sum_duplicates()
        return SparseRows(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int64),
            as_float32(matrix.data),
            matrix.shape[1],
        )
    array = as_float32(given)
    if array.ndim != 2:
        raise UserError(f"the features have the shape {array.shape}; expected is (rows, columns)")
    return array
