"""``serve``: predictions of one booster, or of an ensemble."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from wildsage.algorithms.xgboost import library, selectable
from wildsage.algorithms.xgboost.model import Ensemble, load_models
from wildsage.algorithms.xgboost.spec import SPEC
from wildsage.algorithms.xgboost.versions import version_note
from wildsage.formats import csv_text, json_instances, json_lines, libsvm, recordio_protobuf
from wildsage.formats.content_types import CSV, JSON_LINES, LIBSVM, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.libsvm import find_first_index, shift_columns
from wildsage.formats.reading import Reading
from wildsage.formats.sparse import SparseRows, stack
from wildsage.toolkit.inference import Columns, RowsPredictor, choose_response_type, parse_content_type
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.serving import RequestError

_SOURCE: Final = "request body"
_BAD_PAYLOAD: Final = "Unable to evaluate payload provided"

Features = NDArray[np.float32] | SparseRows


@dataclass(frozen=True, slots=True, kw_only=True)
class BoosterPredictor(RowsPredictor):
    """Answers requests as AWS's container does: its types, its statuses, its bodies.

    Attributes
    ----------
    output
        ``SAGEMAKER_INFERENCE_OUTPUT``: the columns of an answer; empty: scores.
    batch
        It serves a batch transform: a line for each row.
    """

    model: Ensemble
    keeps_sparse: bool = True
    output: str = ""
    batch: bool = False

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer scores, or the columns that the environment selects."""
        if not body:
            return b"", SPEC.response_types[0]
        features = self._parse(body, _content_type(content_type))
        self._check_width(features)
        try:
            columns = self.model.predict(features, {"output": self.output})
        except xgboost.core.XGBoostError as error:
            raise RequestError(400, f"{_BAD_PAYLOAD}: {library.first_lines(error)}") from error
        chosen = choose_response_type(accept, SPEC.response_types)
        if self.output:
            return selectable.render(columns, chosen, batch=self.batch), chosen
        return self._render(columns["score"], chosen), chosen

    def columns(self, features: Features, options: Mapping[str, str]) -> Columns:
        """Predict what the library does: NaN where a selected column is none of the objective's."""
        return self.model.predict(features, options)

    def _parse(self, body: bytes, content_type: ContentType) -> Features:
        try:
            return _PARSERS[content_type.format](self.model, body, content_type)
        except (FormatError, ValueError) as error:
            short = content_type.format.rpartition("/")[2].removeprefix("x-")
            raise RequestError(
                415,
                f"Loading {short} data failed with Exception, please ensure data is in {short} format: {error}",
            ) from error

    def _check_width(self, features: Features) -> None:
        trained = self.model.feature_dim
        if isinstance(features, SparseRows):
            fits = features.width <= trained
            width = features.width
        else:
            width = features.shape[1]
            # Models of old containers count the columns of LIBSVM text from 1 and have one more.
            fits = width == trained or (self.model.models[0].pickled and width == trained - 1)
        if not fits:
            raise RequestError(
                400,
                f"{_BAD_PAYLOAD}: feature_names mismatch: the rows have {width} features, the model was trained"
                f" with {trained}",
            )

    def _render(self, predictions: NDArray[Any], media_type: str) -> bytes:
        if media_type == RECORDIO_PROTOBUF:
            return recordio_protobuf.write_predictions({"score": predictions.astype(np.float32)})
        values = predictions.tolist()
        if self.batch:
            # Of a batch transform every text has a line for each row; such a line is JSON, too.
            return ("\n".join(map(str, values)) + "\n").encode()
        if media_type == CSV:
            return ",".join(map(str, values)).encode()
        rows = [{"score": value} for value in values]
        if media_type == JSON_LINES:
            return json_lines.encode_json_lines(rows)
        return json_instances.encode_predictions(rows)


def _content_type(text: str) -> ContentType:
    found = parse_content_type(text, SPEC.request_types)
    size = found.parameters.get("label_size", "1")
    if found.format == CSV and size != "1":
        raise RequestError(
            415,
            f"{text} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1, or be"
            " left out: rows of a request have no label",
        )
    return found


def _parse_csv(_model: Ensemble, body: bytes, content_type: ContentType) -> Features:
    return csv_text.parse_csv(body, _SOURCE, csv_text.Dialect(content_type.charset, None, missing=True))


def _parse_libsvm(model: Ensemble, body: bytes, content_type: ContentType) -> Features:
    blocks = libsvm.read_rows(io.BytesIO(body), _SOURCE, Reading(content_type))
    rows = stack([block.features for block in blocks if isinstance(block.features, SparseRows)])
    first = find_first_index(rows)
    # The text may count from 1 although the model does not: then column 0 means something to the model.
    counts_from_one = first and (rows.width > model.feature_dim or model.models[0].uses_first_column)
    return shift_columns(rows, 1, _SOURCE) if counts_from_one else rows


def _parse_records(model: Ensemble, body: bytes, _content_type: ContentType) -> Features:
    parts = [rows.features for rows in recordio_protobuf.read_rows(body, _SOURCE)]
    for part in parts:  # before sparse rows are unfolded, whatever width they claim
        width = part.width if isinstance(part, SparseRows) else part.shape[1]
        if width > model.feature_dim:
            raise RequestError(
                400,
                f"{_BAD_PAYLOAD}: feature_names mismatch: the rows have {width} features, the model was trained"
                f" with {model.feature_dim}",
            )
    if all(isinstance(part, SparseRows) for part in parts):
        return stack([part for part in parts if isinstance(part, SparseRows)])
    return np.concatenate([part.dense(np.nan) if isinstance(part, SparseRows) else part for part in parts])


_PARSERS: Final[Mapping[str, Callable[[Ensemble, bytes, ContentType], Features]]] = {
    CSV: _parse_csv,
    LIBSVM: _parse_libsvm,
    RECORDIO_PROTOBUF: _parse_records,
}


def load(folder: Path, environment: Mapping[str, str] = os.environ) -> BoosterPredictor:
    """Load the model files of a folder.

    Parameters
    ----------
    environment
        ``SAGEMAKER_INFERENCE_OUTPUT``, ``SAGEMAKER_INFERENCE_ENSEMBLE``, ``SAGEMAKER_BATCH``,
        ``OMP_NUM_THREADS``.

    Raises
    ------
    UserError
        If there is none, or one cannot be read.
    """
    LOGGER.info(version_note(environment.get("WILDSAGE_IMAGE_TAG", ""), xgboost.__version__))
    model = load_models(folder, ensemble=environment.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") == "true")
    threads = environment.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        for one in model.models:
            one.booster.set_param({"nthread": int(threads)})
    output = environment.get("SAGEMAKER_INFERENCE_OUTPUT", "")
    _warn_of_keys(selectable.parse_keys(output), model.facts.objective)
    batch = environment.get("SAGEMAKER_BATCH", "").lower() == "true"
    return BoosterPredictor(spec=SPEC, model=model, output=output, batch=batch)


def _warn_of_keys(keys: Sequence[str], objective: str) -> None:
    valid = selectable.VALID.get(objective, ())
    unknown = [key for key in keys if key not in valid]
    if unknown:
        LOGGER.warning(
            "Selected key(s) %s incompatible for objective '%s'. Please use list of compatible selectable inference"
            " predictions: %s",
            unknown,
            objective,
            list(valid),
        )
