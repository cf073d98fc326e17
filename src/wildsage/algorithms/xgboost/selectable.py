"""Selectable inference: the columns that ``SAGEMAKER_INFERENCE_OUTPUT`` asks for."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import json_instances, json_lines, protobuf
from wildsage.formats.content_types import CSV, JSON, JSON_LINES
from wildsage.formats.recordio import frame_record
from wildsage.toolkit.serving import RequestError

_REGRESSION: Final = (
    "reg:squarederror",
    "reg:linear",
    "reg:logistic",
    "reg:gamma",
    "reg:absoluteerror",
    "reg:tweedie",
)
_SCORES: Final = ("predicted_label", "labels", "raw_score", "raw_scores")
_PROBABILITIES: Final = (*_SCORES, "probability", "probabilities")
VALID: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_REGRESSION, ("predicted_score",)),
    "binary:logistic": _PROBABILITIES,
    "multi:softprob": _PROBABILITIES,
    "binary:logitraw": _SCORES,
    "binary:hinge": _SCORES,
    "multi:softmax": _SCORES,
}
"""Keys that have a meaning, by objective. Others give NaN."""


def select(
    keys: Sequence[str], objective: str, classes: int, predictions: NDArray[Any]
) -> list[dict[str, Any]]:
    """Build one row of the wanted values for each prediction: (n,), or (n, classes) of multi:softprob.

    Raises
    ------
    RequestError
        500 for objectives that selectable inference does not know.
    """
    valid = VALID.get(objective)
    if valid is None:
        raise RequestError(500, f"Objective '{objective}' unsupported for selectable inference predictions.")
    values = predictions.tolist()
    return [
        {key: _VALUES[key](objective, classes, value) if key in valid else float("nan") for key in keys}
        for value in values
    ]


def parse_keys(text: str) -> list[str]:
    """Split the variable's value: lower case, no blanks, no repetition."""
    return list(dict.fromkeys(part for part in text.replace(" ", "").lower().split(",") if part))


def render(rows: Sequence[dict[str, Any]], media_type: str) -> bytes:
    """Write the rows: JSON, JSON Lines, CSV (lists quoted), or one protobuf record a row."""
    if media_type == JSON:
        return json_instances.encode_predictions(rows)
    if media_type == JSON_LINES:
        return json_lines.encode_json_lines(rows)
    if media_type == CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([json.dumps(v) if isinstance(v, list) else v for v in row.values()] for row in rows)
        return text.getvalue().encode()
    return b"".join(frame_record(protobuf.encode_record(_record(row))) for row in rows)


def _record(row: Mapping[str, Any]) -> protobuf.Record:
    return protobuf.Record(
        label={
            key: protobuf.Tensor(np.atleast_1d(np.asarray(value, np.float32))) for key, value in row.items()
        }
    )


def _label(objective: str, _classes: int, value: Any) -> float:
    if objective == "multi:softprob":
        return float(np.argmax(value))
    if objective == "binary:logistic":
        return float(value > 0.5)
    return float(value > 0) if objective == "binary:logitraw" else float(value)


def _labels(objective: str, classes: int, _value: Any) -> list[int]:
    return list(range(classes if objective.startswith("multi:") else 2))


def _winner(_objective: str, _classes: int, value: Any) -> float:
    return float(max(value)) if isinstance(value, list) else float(value)


def _both(_objective: str, _classes: int, value: Any) -> list[float]:
    return value if isinstance(value, list) else [1.0 - value, value]


_VALUES: Final[Mapping[str, Callable[[str, int, Any], Any]]] = {
    "predicted_label": _label,
    "labels": _labels,
    "probability": _winner,
    "probabilities": _both,
    "raw_score": _winner,
    "raw_scores": _both,
    "predicted_score": _winner,
}
