"""Channels as the library's matrices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import xgboost
from numpy.typing import NDArray

from wildsage.formats import codecs
from wildsage.formats.content_types import CSV, LIBSVM, PARQUET, ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.libsvm import find_first_index, shift_columns
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows, stack
from wildsage.toolkit.channels import ChannelReader
from wildsage.toolkit.errors import UserError


@dataclass(frozen=True, slots=True)
class Table:
    """A channel in memory.

    Attributes
    ----------
    features
        (n, d): NaN, and in sparse rows what is not given, is missing.
    weights
        (n,), or None.
    first_index
        Number of the first column in LIBSVM text: 0 or 1; None for other formats.
    """

    features: NDArray[np.float32] | SparseRows
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None
    first_index: int | None = None

    @property
    def width(self) -> int:
        """Count of columns."""
        return self.features.width if isinstance(self.features, SparseRows) else self.features.shape[1]

    def matrix(self, width: int, threads: int | None) -> Any:
        """Make the library's matrix, sparse rows widened to `width` columns."""
        options = {"nthread": threads, "label": self.labels, "weight": self.weights, "qid": self.groups}
        return xgboost.DMatrix(library_input(self.features, width), **options)


def library_input(features: NDArray[np.float32] | SparseRows, width: int) -> Any:
    """Hand rows to the library in the form it takes without copying."""
    if not isinstance(features, SparseRows):
        return features
    return scipy.sparse.csr_matrix(
        (features.values, features.columns.astype(np.int32), features.starts), shape=(len(features), width)
    )


def read_table(channel: ChannelReader, *, csv_weights: bool, first_index: int | None = None) -> Table:
    """Read a channel.

    Parameters
    ----------
    csv_weights
        The second CSV column holds weights.
    first_index
        For LIBSVM: as the training data has it; None: found here (1 where column 0 never occurs).

    Raises
    ------
    UserError
        For malformed data and formats that are not available.
    """
    media_type = codecs.find(channel.content_type).media_type
    channel = replace(
        channel,
        content_type=ContentType(media_type, channel.content_type.parameters),
        missing=True,
        delimiter=None,
    )
    if channel.is_streamed and media_type in {LIBSVM, PARQUET}:
        raise UserError(
            f"Unable to read data channel '{channel.name}'. Pipe mode does not support '{media_type}': use File mode,"
            " or give application/x-recordio-protobuf or text/csv."
        )
    if media_type == LIBSVM:
        table = _read_libsvm(channel, first_index)
    else:
        if channel.label_size != 1:
            raise UserError(
                f"XGBoost takes exactly one label column: label_size={channel.label_size} of channel "
                f"'{channel.name}' is not supported"
            )
        table = _join(channel, list(channel.rows()))
        if media_type == CSV and csv_weights:
            table = _split_weights(channel, table)
    if len(table.labels) == 0:
        raise UserError(f"Unable to read data channel '{channel.name}'. The files hold no rows.")
    return table


def _join(channel: ChannelReader, parts: Sequence[Rows]) -> Table:
    if any(rows.labels.shape[1] != 1 for rows in parts):
        raise UserError(f"Unable to read data channel '{channel.name}'. Every record needs one label.")
    if not parts:
        return Table(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
    labels = np.concatenate([rows.labels[:, 0] for rows in parts])
    dense = [rows.features for rows in parts if isinstance(rows.features, np.ndarray)]
    sparse = [rows.features for rows in parts if isinstance(rows.features, SparseRows)]
    if dense and sparse:
        raise UserError(f"Unable to read data channel '{channel.name}'. It mixes dense and sparse records.")
    if sparse:
        return Table(stack(sparse), labels)
    widths = sorted({part.shape[1] for part in dense})
    if len(widths) > 1:
        raise UserError(f"Unable to read data channel '{channel.name}'. Its rows have {widths} features.")
    return Table(np.concatenate(dense), labels)


def _split_weights(channel: ChannelReader, table: Table) -> Table:
    features = table.features
    if isinstance(features, SparseRows) or features.shape[1] < 1:
        raise UserError(f"csv_weights is 1, but channel '{channel.name}' has no second column")
    return replace(table, features=features[:, 1:], weights=np.ascontiguousarray(features[:, 0]))


def _read_libsvm(channel: ChannelReader, first_index: int | None) -> Table:
    parts = list(channel.rows())
    if not parts:
        return Table(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
    rows = stack([part.features for part in parts if isinstance(part.features, SparseRows)])
    first = find_first_index(rows) if first_index is None else first_index
    weights = [part.weights for part in parts if part.weights is not None]
    groups = [part.groups for part in parts if part.groups is not None]
    if len(weights) not in {0, len(parts)} or len(groups) not in {0, len(parts)}:
        raise UserError(
            f"Unable to read data channel '{channel.name}'. Only some of its rows have weights or groups."
        )
    try:
        rows = shift_columns(rows, first, f"data channel '{channel.name}'")
    except FormatError as error:
        raise UserError(str(error)) from error
    return Table(
        rows,
        np.concatenate([part.labels[:, 0] for part in parts]),
        np.concatenate(weights) if weights else None,
        np.concatenate(groups) if groups else None,
        first,
    )
