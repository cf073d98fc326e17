"""Requests and answers that most built-in algorithms share: a matrix in, named columns out."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import codecs, json_instances, json_lines, recordio_protobuf
from wildsage.formats.content_types import CSV, JSON, RECORDIO_PROTOBUF, ContentType, negotiate
from wildsage.formats.errors import FormatError, MissingLibraryError
from wildsage.formats.reading import Reading
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.serving import RequestError

_SOURCE = "request body"
_MOST_VALUES = 1 << 28
"""Numbers that a sparse request may unfold to."""


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


def parse_matrix(body: bytes, content_type: str, supported: Sequence[str]) -> NDArray[np.float32]:
    """Read the rows of a request: (n, d), finite.

    Raises
    ------
    RequestError
        415 for another content type, 400 for a body that does not hold it, or holds numbers that are not finite.
    """
    found = parse_content_type(content_type, supported)
    try:
        matrix = _parse(body, found)
    except (FormatError, ValueError) as error:
        raise RequestError(400, f"unable to evaluate payload provided: {error}") from error
    except MissingLibraryError as error:
        raise RequestError(415, str(error)) from error
    if len(matrix) == 0:
        raise RequestError(400, "unable to evaluate payload provided: there are no rows")
    return matrix


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


def render_columns(
    columns: Mapping[str, NDArray[Any]], accept: str, offered: Sequence[str]
) -> tuple[bytes, str]:
    """Write columns, each (n,), as the answer: its body and media type.

    Raises
    ------
    RequestError
        406 if the Accept header allows none of the types.
    """
    chosen = choose_response_type(accept, offered)
    if chosen == RECORDIO_PROTOBUF:
        return recordio_protobuf.write_predictions(columns), chosen
    values = [column.tolist() for column in columns.values()]
    if chosen == CSV:
        lines = (",".join(map(repr, row)) for row in zip(*values, strict=True))
        return "\n".join(lines).encode() + b"\n", chosen
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    if chosen == JSON:
        return json_instances.encode_predictions(rows), chosen
    return json_lines.encode_json_lines(rows), chosen


def _parse(body: bytes, content_type: ContentType) -> NDArray[np.float32]:
    blocks: list[NDArray[np.float32]] = []
    for rows in codecs.read_rows(io.BytesIO(body), _SOURCE, Reading(content_type)):
        features = rows.features
        if isinstance(features, SparseRows):
            if len(features) * features.width > _MOST_VALUES:
                raise FormatError(
                    _SOURCE, f"sparse rows of {features.width} columns unfold to too many values"
                )
            features = features.dense()
        if blocks and features.shape[1] != blocks[0].shape[1]:
            raise FormatError(_SOURCE, f"rows of {blocks[0].shape[1]} and of {features.shape[1]} features")
        blocks.append(features)
    return np.concatenate(blocks) if blocks else np.zeros((0, 0), np.float32)
