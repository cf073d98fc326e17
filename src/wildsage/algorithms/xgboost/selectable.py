"""Selectable inference: the columns that ``SAGEMAKER_INFERENCE_OUTPUT`` asks for."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.xgboost.library import Facts
from wildsage.formats import json_instances, json_lines, recordio_protobuf
from wildsage.formats.content_types import CSV, JSON, JSON_LINES
from wildsage.toolkit.inference import Columns
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


def select(keys: Sequence[str], facts: Facts, predictions: NDArray[Any]) -> Columns:
    """Make the wanted columns of predictions: (n,), or (n, classes) of multi:softprob.

    Raises
    ------
    RequestError
        500 for objectives that selectable inference does not know.
    """
    valid = VALID.get(facts.objective)
    if valid is None:
        raise RequestError(
            500, f"Objective `{facts.objective}` unsupported for selectable inference predictions."
        )
    missing = np.full(len(predictions), np.nan)
    return {key: _VALUES[key](facts, predictions) if key in valid else missing for key in keys}


def parse_keys(text: str) -> list[str]:
    """Split the variable's value: lower case, no blanks, no repetition."""
    return list(dict.fromkeys(part for part in text.replace(" ", "").lower().split(",") if part))


def render(columns: Columns, media_type: str, *, batch: bool) -> bytes:
    """Write the columns: JSON, JSON Lines, CSV (lists quoted), or one protobuf record a row."""
    if media_type in {JSON, JSON_LINES}:
        values = [column.tolist() for column in columns.values()]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
        return (
            json_instances.encode_predictions(rows)
            if media_type == JSON
            else json_lines.encode_json_lines(rows)
        )
    if media_type == CSV:
        return _as_csv(columns) + (b"\n" if batch else b"")
    return recordio_protobuf.write_predictions(
        {key: column.astype(np.float32) for key, column in columns.items()}
    )


def _as_csv(columns: Columns) -> bytes:
    fields = [
        [f'"{json.dumps(value)}"' if column.ndim > 1 else str(value) for value in column.tolist()]
        for column in columns.values()
    ]
    return "\n".join(map(",".join, zip(*fields, strict=True))).encode()


def _label(facts: Facts, values: NDArray[Any]) -> NDArray[Any]:
    """Classes are whole numbers where they are found here, and as the library predicts them elsewhere."""
    if facts.objective == "multi:softprob":
        winners: NDArray[Any] = values.argmax(axis=1)
        return winners
    if facts.objective == "binary:logistic":
        return (values > 0.5).astype(np.int64)
    return (values > 0).astype(np.int64) if facts.objective == "binary:logitraw" else values


def _labels(facts: Facts, values: NDArray[Any]) -> NDArray[Any]:
    classes = facts.classes if facts.objective.startswith("multi:") else 2
    return np.tile(np.arange(classes), (len(values), 1))


def _winner(_facts: Facts, values: NDArray[Any]) -> NDArray[Any]:
    winner: NDArray[Any] = values.max(axis=1) if values.ndim == 2 else values
    return winner


def _both(_facts: Facts, values: NDArray[Any]) -> NDArray[Any]:
    # In double precision, as numbers of Python are.
    return values if values.ndim == 2 else np.column_stack([1.0 - values.astype(np.float64), values])


_VALUES: Final[Mapping[str, Callable[[Facts, NDArray[Any]], NDArray[Any]]]] = {
    "predicted_label": _label,
    "labels": _labels,
    "probability": _winner,
    "probabilities": _both,
    "raw_score": _winner,
    "raw_scores": _both,
    "predicted_score": _winner,
}
