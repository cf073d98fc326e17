"""Parquet files of numbers: ``application/x-parquet``. The extra ``polars`` reads and writes them."""

import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from wildsage.formats.errors import FormatError
from wildsage.formats.extras import polars
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import SparseRows

_BATCH = 1 << 16
"""Rows that are asked for together."""


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield a file's rows in batches; the labels are its first columns.

    A Parquet file begins at its end: what cannot be sought (a pipe) is copied to a temporary file first.

    Raises
    ------
    FormatError
        If it is no Parquet file, a column holds no numbers, or a value is null where none may be missing.
    MissingLibraryError
        If polars is not installed.
    """
    library = polars("Parquet")
    problems = (library.exceptions.PolarsError, library.exceptions.PanicException)
    size = reading.labels()
    row = 1
    with _path(file) as path:
        if path is None:
            return
        try:
            lazy = library.scan_parquet(path, glob=False)
            _check_columns(lazy.collect_schema(), source, size)
            for batch in lazy.collect_batches(chunk_size=_BATCH):
                yield _rows(library, batch, source, size, row, missing=reading.missing)
                row += batch.height
        except problems as error:
            message = str(error).partition("\n")[0]
            raise FormatError(source, f"not a Parquet file that can be read: {message}") from error


def write_rows(rows: Rows) -> bytes:
    """Write rows, labels first; weights and groups have no place in it.

    Raises
    ------
    MissingLibraryError
        If polars is not installed.
    """
    features = rows.features.dense() if isinstance(rows.features, SparseRows) else rows.features
    matrix = np.concatenate([rows.labels, features], axis=1)
    names = [f"label{column}" for column in range(rows.labels.shape[1])]
    names += [f"feature{column}" for column in range(features.shape[1])]
    file = io.BytesIO()
    polars("Parquet").DataFrame(matrix, schema=names).write_parquet(file)
    return file.getvalue()


@contextmanager
def _path(file: BinaryIO) -> Iterator[str | None]:
    """Give the path of a file's content; None where it is empty."""
    try:
        regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.tell() == 0
    except OSError:
        regular = False
    if regular:
        yield _descriptor(file)
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        yield _descriptor(copy)


def _descriptor(file: BinaryIO) -> str | None:
    number = file.fileno()
    return f"/proc/self/fd/{number}" if os.fstat(number).st_size else None


def _check_columns(schema: Any, source: str, labels: int) -> None:
    for name, dtype in schema.items():
        if not dtype.is_numeric() and str(dtype) != "Boolean":
            raise FormatError(source, f"column {name!r} is of the type {dtype}, not of numbers")
    if len(schema) < labels:
        raise FormatError(source, f"{len(schema)} columns, but label_size is {labels}")


def _rows(library: Any, batch: Any, source: str, labels: int, first: int, *, missing: bool) -> Rows:
    if not missing:
        for column in batch.get_columns():
            if column.null_count():
                row = first + int(column.is_null().arg_max())
                raise FormatError(source, f"column {column.name!r} is null; no value may be missing", row=row)
    matrix = batch.cast(library.Float32).to_numpy(order="c", writable=True)
    return Rows(matrix[:, labels:], matrix[:, :labels])
