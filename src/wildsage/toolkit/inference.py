"""Requests and answers that most built-in algorithms share: rows in, named columns out."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import codecs, json_instances, json_lines, recordio_protobuf
from wildsage.formats.content_types import (
    CSV,
    JSON,
    RECORDIO_PROTOBUF,
    ContentType,
    negotiate,
    wished_parameters,
)
from wildsage.formats.errors import FormatError, MissingLibraryError
from wildsage.formats.reading import Reading
from wildsage.formats.record_identities import read_identities
from wildsage.formats.rows import Rows, merge
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.magnitudes import bounded
from wildsage.toolkit.serving import RequestError
from wildsage.toolkit.spec import AlgorithmSpec

_SOURCE = "request body"
_MOST_VALUES = 1 << 28
"""Numbers that a sparse request may unfold to."""

Features = NDArray[np.float32] | SparseRows
Columns = Mapping[str, NDArray[Any]]


class Model(Protocol):
    """A trained model on arrays."""

    @property
    def feature_dim(self) -> int:
        """Features of a row."""
        ...

    def predict(self, features: Any, options: Mapping[str, str]) -> Columns:
        """Predict for each row.

        Parameters
        ----------
        features
            (n, feature_dim) float32, dense; also `SparseRows` where the model's `RowsPredictor` keeps them.
        options
            What the caller wants besides, by name: the parameters of the Accept header, such as ``verbose=true``.

        Returns
        -------
        Columns by name, each (n,) or (n, m), in the order of the answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class RowsPredictor:
    """The wire side of a model: bodies to rows, columns to bodies, as its declaration says. A `Predictor`.

    Attributes
    ----------
    keeps_sparse
        The model takes sparse rows as they are; else they are spread into dense ones.
    """

    spec: AlgorithmSpec
    model: Model
    keeps_sparse: bool = False

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer one request: the columns of its rows."""
        parse = parse_features if self.keeps_sparse else parse_matrix
        features = parse(body, content_type, self.spec.request_types, self.model.feature_dim)
        chosen = choose_response_type(accept, self.spec.response_types)
        columns = self.columns(features, wished_parameters(accept, chosen))
        identities = identities_of(body, content_type, chosen)
        return render_columns(columns, chosen, self.spec.response_root, identities), chosen

    def columns(self, features: Features, options: Mapping[str, str]) -> Columns:
        """Predict for rows of the model's width.

        Raises
        ------
        RequestError
            400 for numbers that are too large for the algorithm or the model, 406 for options that it does not have.
        """
        try:
            for _ in bounded([_without_labels(features)], "the rows", self.spec.largest):
                pass
        except FormatError as error:
            raise RequestError(400, f"unable to evaluate payload provided: {error}") from error
        columns = self.model.predict(features, options)
        for name, column in columns.items():
            if not np.isfinite(column.sum()) and not np.isfinite(column).all():
                row = int(np.argwhere(~np.isfinite(column))[0, 0])
                raise RequestError(
                    400,
                    f"the {name} of row {row + 1} is beyond float32: the row is too far from those that the model was "
                    "trained with",
                )
        return columns


def _without_labels(features: Features) -> Rows:
    return Rows(features, np.zeros((len(features), 0), np.float32))


def parse_content_type(text: str, supported: Sequence[str]) -> ContentType:
    """Read the content type of a request.

    Raises
    ------
    RequestError
        415 if it is malformed or not supported.
    """
    try:
        found = ContentType.parse(text)
    except ValueError as error:
        raise RequestError(415, str(error)) from error
    if found.media_type not in supported:
        raise RequestError(
            415, f"content type '{found.media_type}' is not supported: use {', '.join(supported)}"
        )
    return found


def parse_features(body: bytes, content_type: str, supported: Sequence[str], width: int) -> Features:
    """Read the rows of a request, dense or sparse, all finite.

    Parameters
    ----------
    width
        Features that the model was trained with.

    Raises
    ------
    RequestError
        415 for another content type, 400 for a body that does not hold it, holds no rows, or rows of another width.
    """
    found = parse_content_type(content_type, supported)
    try:
        parts = list(codecs.read_rows(io.BytesIO(body), _SOURCE, Reading(found)))
    except (FormatError, ValueError) as error:
        raise RequestError(400, f"unable to evaluate payload provided: {error}") from error
    except MissingLibraryError as error:
        raise RequestError(415, str(error)) from error
    if not any(map(len, parts)):
        raise RequestError(400, "unable to evaluate payload provided: there are no rows")
    for part in parts:
        if part.width != width:
            raise RequestError(
                400, f"the rows have {part.width} features, the model was trained with {width}"
            )
    # Labels have no place in a request, and may differ in count.
    return merge([Rows(part.features, part.labels[:, :0]) for part in parts]).features


def parse_matrix(body: bytes, content_type: str, supported: Sequence[str], width: int) -> NDArray[np.float32]:
    """Read the rows of a request as `parse_features` does, spread into a dense (n, width) matrix.

    Raises
    ------
    RequestError
        As `parse_features`; also 400 for more sparse rows than fit into memory as dense ones.
    """
    features = parse_features(body, content_type, supported, width)
    if not isinstance(features, SparseRows):
        return features
    if len(features) * width > _MOST_VALUES:
        raise RequestError(
            400,
            f"{len(features)} sparse rows of {width} columns unfold to too many values: send fewer at once",
        )
    return features.dense()


def choose_response_type(accept: str, offered: Sequence[str]) -> str:
    """Choose the media type of the answer.

    Raises
    ------
    RequestError
        406 if the Accept header allows none.
    """
    chosen = negotiate(accept, offered, offered[0])
    if chosen is None:
        raise RequestError(406, f"accept '{accept}' is not supported: use {', '.join(offered)}")
    return chosen


def identities_of(body: bytes, content_type: str, answered: str) -> list[bytes] | None:
    """Return what an answer of records repeats of a request of records: each one's ``uid`` and ``metadata``.

    Parameters
    ----------
    body
        A request that could be read.
    answered
        Media type of the answer; of others than records, None is returned.
    """
    if answered != RECORDIO_PROTOBUF or ContentType.parse(content_type).format != RECORDIO_PROTOBUF:
        return None
    return read_identities(body, _SOURCE)


def render_columns(
    columns: Columns,
    media_type: str,
    root: str = "predictions",
    identities: Sequence[bytes] | None = None,
) -> bytes:
    """Write columns, each (n,) or (n, m), as the body of an answer.

    Parameters
    ----------
    root
        What JSON calls the list of answers.
    identities
        What the records of an answer repeat of those of the request, see `identities_of`.
    """
    if media_type == RECORDIO_PROTOBUF:
        floats = {name: column.astype(np.float32) for name, column in columns.items()}
        return recordio_protobuf.write_predictions(floats, identities)
    values = [column.tolist() for column in columns.values()]
    if media_type == CSV:
        lines = (",".join(map(repr, row)) for row in zip(*values, strict=True))
        return "\n".join(lines).encode() + b"\n"
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    if media_type == JSON:
        return json_instances.encode_predictions(rows, root)
    return json_lines.encode_json_lines(rows)
