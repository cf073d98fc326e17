"""``serve``: predictions of one booster, or of an ensemble."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from wildsage.algorithms.xgboost import selectable
from wildsage.algorithms.xgboost.data import library_input
from wildsage.algorithms.xgboost.model import Model, load_models
from wildsage.algorithms.xgboost.spec import SPEC
from wildsage.algorithms.xgboost.versions import version_note
from wildsage.formats import csv_text, json_instances, json_lines, libsvm, recordio_protobuf
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.libsvm import find_first_index, shift_columns
from wildsage.formats.reading import Reading
from wildsage.formats.sparse import SparseRows, stack
from wildsage.toolkit.inference import choose_response_type, parse_content_type
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.serving import Predictor, RequestError

_VOTING = frozenset({"multi:softmax", "binary:hinge"})
"""Objectives whose predictions are classes: an ensemble votes instead of averaging."""


class BoosterPredictor:
    """Answers requests with the models of a folder.

    Parameters
    ----------
    models
        One, or an ensemble.
    environment
        ``SAGEMAKER_INFERENCE_OUTPUT``, ``SAGEMAKER_INFERENCE_ENSEMBLE``, ``SAGEMAKER_BATCH``,
        ``OMP_NUM_THREADS``.
    """

    def __init__(self, models: list[Model], environment: Mapping[str, str]) -> None:
        ensemble = environment.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "true"
        self._models = models if ensemble else models[:1]
        self._first = self._models[0]
        self._keys = selectable.parse_keys(environment.get("SAGEMAKER_INFERENCE_OUTPUT", ""))
        unknown = [key for key in self._keys if key not in selectable.VALID.get(self._first.objective, ())]
        if unknown:
            LOGGER.warning(
                "Selected keys %s have no value for objective '%s'", unknown, self._first.objective
            )
        self._batch = environment.get("SAGEMAKER_BATCH", "").lower() == "true"
        threads = environment.get("OMP_NUM_THREADS", "")
        for model in self._models:
            if threads.isdecimal():
                model.booster.set_param({"nthread": int(threads)})

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer scores, or the columns that the environment selects."""
        if not body:
            return b"", SPEC.response_types[0]
        found = parse_content_type(content_type, SPEC.request_types)
        chosen = choose_response_type(accept, SPEC.response_types)
        try:
            features = self._parse(body, found)
        except (FormatError, ValueError) as error:
            raise RequestError(
                415, f"Loading {found.media_type} data failed with exception: {error}"
            ) from error
        predictions = self._score(features)
        if self._keys:
            rows = selectable.select(self._keys, self._first.objective, self._first.classes, predictions)
            return selectable.render(rows, chosen), chosen
        return self._render(predictions, chosen), chosen

    def _parse(self, body: bytes, content_type: ContentType) -> NDArray[np.float32] | SparseRows:
        source = "request body"
        if content_type.media_type == CSV:
            dialect = csv_text.Dialect(content_type.charset, None, missing=True)
            matrix = csv_text.parse_csv(body, source, dialect)
            # Clients of the oldest containers may send the label along.
            drop = self._first.pickled and matrix.shape[1] == self._first.width + 1
            return matrix[:, 1:] if drop else matrix
        if content_type.media_type == RECORDIO_PROTOBUF:
            parts = [rows.features for rows in recordio_protobuf.read_rows(body, source)]
            for part in parts:
                self._check_width(part)  # before sparse rows are unfolded, whatever width they claim
            if all(isinstance(part, SparseRows) for part in parts):
                return stack([part for part in parts if isinstance(part, SparseRows)])
            return np.concatenate(
                [part.dense(np.nan) if isinstance(part, SparseRows) else part for part in parts]
            )
        blocks = libsvm.read_rows(io.BytesIO(body), source, Reading(content_type))
        rows = stack([block.features for block in blocks if isinstance(block.features, SparseRows)])
        first = self._first.libsvm_first_index
        return shift_columns(rows, find_first_index(rows) if first is None else first, source)

    def _score(self, features: NDArray[np.float32] | SparseRows) -> NDArray[Any]:
        self._check_width(features)
        data = xgboost.DMatrix(library_input(features, self._first.width))
        try:
            scores = [model.booster.predict(data, **_options(model)) for model in self._models]
        except xgboost.core.XGBoostError as error:
            text = str(error).partition("Stack trace")[0].strip()
            raise RequestError(400, f"Unable to evaluate payload provided: {text}") from error
        if len(scores) == 1:
            return np.asarray(scores[0])
        return _vote(np.stack(scores)) if self._first.objective in _VOTING else np.mean(scores, axis=0)

    def _check_width(self, features: NDArray[np.float32] | SparseRows) -> None:
        sparse = isinstance(features, SparseRows)
        width = features.width if isinstance(features, SparseRows) else features.shape[1]
        if width > self._first.width or (width < self._first.width and not sparse):
            raise RequestError(
                400,
                "Unable to evaluate payload provided: feature_names mismatch: "
                f"the rows have {width} features, the model was trained with {self._first.width}",
            )

    def _render(self, predictions: NDArray[Any], media_type: str) -> bytes:
        values = predictions.tolist()
        if media_type == CSV:
            texts = map(str, values)
            return ("\n".join(texts) + "\n" if self._batch else ",".join(texts)).encode()
        if media_type == RECORDIO_PROTOBUF:
            return recordio_protobuf.write_predictions({"score": predictions.astype(np.float32)})
        rows = [{"score": value} for value in values]
        if media_type == JSON_LINES:
            return json_lines.encode_json_lines(rows)
        body = json_instances.encode_predictions(rows)
        return body + b"\n" if self._batch and media_type == JSON else body


def _options(model: Model) -> dict[str, Any]:
    # The columns of a request carry no names; their count was checked.
    return {"iteration_range": model.rounds, "validate_features": False}


def _vote(classes: NDArray[Any]) -> NDArray[Any]:
    """Take the most frequent class of each row, the smaller one of equals: (models, n) to (n,)."""
    kinds = np.unique(classes)
    votes = (classes[:, :, np.newaxis] == kinds).sum(axis=0)
    winners: NDArray[Any] = kinds[votes.argmax(axis=1)]
    return winners


def load(folder: Path) -> Predictor:
    """Load every model file of a folder.

    Raises
    ------
    UserError
        If there is none, or one cannot be read.
    """
    LOGGER.info(version_note(os.environ.get("WILDSAGE_IMAGE_TAG", ""), xgboost.__version__))
    return BoosterPredictor(load_models(folder), os.environ)
