"""Channels as the library's matrices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import xgboost
from numpy.typing import NDArray

from wildsage.formats.content_types import CSV, LIBSVM, PARQUET
from wildsage.formats.errors import FormatError
from wildsage.formats.rows import Rows, join
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.channels import ArrayChannel, Channel, ChannelReader
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER


@dataclass(frozen=True, slots=True)
class Table:
    """A channel in memory.

    Attributes
    ----------
    features
        (n, d): NaN, and in sparse rows what is not given, is missing.
    labels
        (n,).
    weights
        (n,), or None.
    groups
        (n,), the query that each row belongs to, in runs; or None.
    """

    features: NDArray[np.float32] | SparseRows
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    @property
    def width(self) -> int:
        """Count of columns."""
        return self.features.width if isinstance(self.features, SparseRows) else self.features.shape[1]

    def matrix(self, width: int, threads: int | None) -> Any:
        """Make the library's matrix, sparse rows widened to `width` columns."""
        given = library_input(self.features, width)
        made = xgboost.DMatrix(given, label=self.labels, weight=self.weights, nthread=threads)
        if self.groups is not None:
            made.set_group(np.diff(np.flatnonzero(_run_starts(self.groups)), append=len(self.groups)))
        return made


def _run_starts(groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.concatenate([[True], groups[1:] != groups[:-1]])


def library_input(features: NDArray[np.float32] | SparseRows, width: int) -> Any:
    """Hand rows to the library in the form it takes without copying."""
    if not isinstance(features, SparseRows):
        return features
    return scipy.sparse.csr_matrix(
        (features.values, features.columns.astype(np.int32), features.starts), shape=(len(features), width)
    )


def combined(tables: Sequence[Table], width: int) -> Table:
    """Put tables below each other, as one data set to cross-validate."""
    if len(tables) == 1:
        return tables[0]
    parts = [
        Rows(_widened(table.features, width), table.labels[:, np.newaxis], table.weights, table.groups)
        for table in tables
    ]
    try:
        return _table("train and validation", parts)
    except FormatError as error:
        raise UserError(f"The channels train and validation do not fit together: {error}") from error


def _widened(features: NDArray[np.float32] | SparseRows, width: int) -> NDArray[np.float32] | SparseRows:
    return replace(features, width=width) if isinstance(features, SparseRows) else features


def read_table(channel: Channel, *, csv_weights: bool) -> Table:
    """Read a channel.

    Parameters
    ----------
    csv_weights
        The second CSV column holds weights.

    Raises
    ------
    UserError
        For malformed data and formats that are not available.
    """
    media_type = ""
    if isinstance(channel, ChannelReader):
        media_type = channel.content_type.format
        channel = replace(channel, missing=True, delimiter=None)
        if channel.is_streamed and media_type in {LIBSVM, PARQUET}:
            raise UserError(
                f"Unable to read data channel '{channel.name}'. Pipe mode does not support '{media_type}': use File"
                " mode, or give application/x-recordio-protobuf or text/csv."
            )
    elif isinstance(channel, ArrayChannel):
        channel = replace(channel, missing=True)
    parts = [part for part in channel.rows() if len(part)]
    if not parts:
        raise UserError(f"Unable to read data channel '{channel.name}'. The files hold no rows.")
    try:
        table = _table(channel.name, parts)
    except FormatError as error:
        raise UserError(f"Unable to read data channel '{channel.name}'. {error}") from error
    return _split_weights(channel, table) if media_type == CSV and csv_weights else table


def _table(name: str, parts: Sequence[Rows]) -> Table:
    if any(rows.labels.shape[1] != 1 for rows in parts):
        raise UserError(
            f"Unable to read data channel '{name}'. Got input data without labels: every record needs one label."
        )
    rows = join(parts, name)
    groups = rows.groups
    if groups is not None and np.unique(groups).size != np.count_nonzero(_run_starts(groups)):
        raise UserError(
            f"Unable to read data channel '{name}'. The rows of a query (qid) must follow each other: sort them."
        )
    return Table(rows.features, rows.labels[:, 0], rows.weights, groups)


def _split_weights(channel: Channel, table: Table) -> Table:
    features = table.features
    if isinstance(features, SparseRows) or features.shape[1] < 1:
        raise UserError(f"csv_weights is 1, but channel '{channel.name}' has no second column")
    return replace(table, features=features[:, 1:], weights=np.ascontiguousarray(features[:, 0]))


def warn_of_equal_files(train: Channel, validation: Channel | None) -> None:
    """Say in the log which files of both channels have the same name and size: they may be the same rows."""
    if not isinstance(train, ChannelReader) or not isinstance(validation, ChannelReader):
        return
    if train.is_streamed or validation.is_streamed or train.is_empty or validation.is_empty:
        return
    known = {(file.name, file.stat().st_size) for file in train.files()}
    for file in validation.files():
        if (file.name, file.stat().st_size) in known:
            LOGGER.warning(
                "Suspected identical files found: %s is in the channels train and validation, with the same size."
                " Rows that were trained with say nothing about how good a model is.",
                file.name,
            )
