"""Parquet files of numbers: ``application/x-parquet``. The extra ``parquet`` reads and writes them."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.extras import load
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows

_BATCH = 1 << 14
"""Rows that are given together at most."""
_MOST_IN_MEMORY = 64 << 20
"""Bytes of a pipe's content that are kept before a temporary file takes them."""


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield a file's rows in batches; the labels are its first columns.

    A Parquet file begins at its end: what cannot be sought (a pipe) is copied to a temporary file first. In
    memory is one row group, compressed, and a batch.

    Raises
    ------
    FormatError
        If it is no Parquet file, a column holds no numbers, or a value is null where none may be missing.
    MissingLibraryError
        If pyarrow is not installed.
    """
    arrow, parquet = load("pyarrow", "Parquet", "parquet"), load("pyarrow.parquet", "Parquet", "parquet")
    size = reading.labels()
    row = 1
    with _seekable(file) as whole:
        if not whole.seek(0, io.SEEK_END):
            return
        whole.seek(0)
        try:
            opened = parquet.ParquetFile(whole)
            _check_columns(arrow, opened.schema_arrow, source, size)
            for batch in opened.iter_batches(_BATCH):
                matrix = _matrix(arrow, batch, source, row, missing=reading.missing)
                row += len(matrix)
                yield Rows(matrix[:, size:], matrix[:, :size])
        # A damaged file may also announce what no memory holds, or names that are not UTF-8.
        except (arrow.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
            message = str(error).partition("\n")[0]
            raise FormatError(source, f"not a Parquet file that can be read: {message[:200]}") from error


def write_rows(rows: Rows) -> bytes:
    """Write rows, labels first; weights and groups have no place in it.

    Raises
    ------
    MissingLibraryError
        If pyarrow is not installed.
    """
    arrow, parquet = load("pyarrow", "Parquet", "parquet"), load("pyarrow.parquet", "Parquet", "parquet")
    features = rows.features.dense() if isinstance(rows.features, SparseRows) else rows.features
    columns = {f"label{place}": values for place, values in enumerate(rows.labels.T)}
    columns |= {f"feature{place}": values for place, values in enumerate(features.T)}
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns), file)
    return file.getvalue()


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[Any]:
    if file.seekable():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as copy:
        shutil.copyfileobj(file, copy)
        yield copy


def _check_columns(arrow: Any, schema: Any, source: str, labels: int) -> None:
    kinds = arrow.types
    for field in schema:
        kind = field.type
        if not (
            kinds.is_integer(kind)
            or kinds.is_floating(kind)
            or kinds.is_boolean(kind)
            or kinds.is_decimal(kind)
        ):
            raise FormatError(
                source, f"column {excerpt(field.name)} is of the type {excerpt(str(kind))}, not of numbers"
            )
    if len(schema) < labels:
        raise FormatError(source, f"{len(schema)} columns, but label_size is {labels}")


def _matrix(arrow: Any, batch: Any, source: str, first: int, *, missing: bool) -> NDArray[np.float32]:
    matrix = np.empty((batch.num_rows, batch.num_columns), np.float32)
    for place, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        if column.null_count and not missing:
            row = first + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
            raise FormatError(source, f"column {excerpt(name)} is null; no value may be missing", row=row)
        # Doubles hold every number that float32 tells apart; a null becomes NaN.
        numbers = column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix[:, place] = numbers
    return matrix
