"""Reading an input channel in File mode as blocks of rows."""

import math
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import csv_text, recordio_protobuf
from wildsage.formats.content_types import CSV, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.recordio_protobuf import Rows
from wildsage.toolkit.errors import UserError


@dataclass(frozen=True, slots=True)
class ChannelReader:
    """An input channel: its files, and how to read them.

    Attributes
    ----------
    content_type
        As the job gave it, else the algorithm's default.
    default_label_size
        Label columns of a CSV row where ``label_size`` is not given.
    missing
        Empty CSV fields and NaN are allowed.
    delimiter
        Of CSV; None: found in each file's first line.
    """

    name: str
    folder: Path
    content_type: ContentType
    default_label_size: int = 1
    missing: bool = False
    delimiter: str | None = ","

    def files(self) -> list[Path]:
        """All data files below the folder, in order; names that begin with ``.`` or ``_`` are left out.

        Raises
        ------
        UserError
            If there is none.
        """
        found = []
        for folder, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not _skipped(name))
            found += [Path(folder, name) for name in names if not _skipped(name)]
        if not found:
            raise UserError(f"Unable to read data channel '{self.name}'. There is no data file in it.")
        return sorted(found)

    @property
    def label_size(self) -> int:
        """Label columns in front of the features of a CSV row."""
        try:
            return self.content_type.label_size(self.default_label_size)
        except ValueError as error:
            raise UserError(f"Unable to read data channel '{self.name}'.") from error

    def rows(self) -> Iterator[Rows]:
        """Yield the rows of all files in blocks of some thousand; memory stays bounded.

        Raises
        ------
        UserError
            For malformed files (with file and line or byte) and, unless allowed, for NaN or infinite values.
        """
        for file in self.files():
            name = str(file.relative_to(self.folder.parent))
            try:
                for rows in self._read(file, name):
                    self._check_finite(rows)
                    yield rows
            except FormatError as error:
                requested = self.content_type.media_type
                raise UserError(
                    f"Unable to read data channel '{self.name}'. Requested content-type is '{requested}'. "
                    "Please verify the data matches the requested content-type."
                ) from error

    def _read(self, file: Path, name: str) -> Iterator[Rows]:
        media_type = self.content_type.media_type
        if media_type == RECORDIO_PROTOBUF:
            yield from _mapped(file, name)
            return
        if media_type != CSV:
            raise UserError(f"Unable to read data channel '{self.name}'. '{media_type}' is not supported.")
        with file.open("rb") as stream:
            yield from self._csv(stream, name)

    def _csv(self, stream: BinaryIO, name: str) -> Iterator[Rows]:
        dialect = csv_text.Dialect(self.content_type.charset, self.delimiter, self.missing)
        size = self.label_size
        for matrix in csv_text.read_csv(stream, name, dialect):
            if matrix.shape[1] < size:
                raise FormatError(name, f"{matrix.shape[1]} columns, but label_size is {size}", line=1)
            yield Rows(matrix[:, size:], matrix[:, :size])

    def _check_finite(self, rows: Rows) -> None:
        if self.missing:
            return
        features = rows.features if isinstance(rows.features, np.ndarray) else rows.features.values
        problem = _unusable(features)
        if problem:
            text, word = problem
            raise UserError(
                f"Unable to read data channel '{self.name}'. Found {text} values. "
                f"Please remove any {word} values in the input data."
            )


def _skipped(name: str) -> bool:
    return name.startswith((".", "_"))


def _unusable(values: NDArray[np.float32]) -> tuple[str, str] | None:
    # One sum is much cheaper than a test of every value; only a bad sum is looked into.
    with np.errstate(invalid="ignore", over="ignore"):
        if math.isfinite(float(values.sum(dtype=np.float64))):
            return None
    if np.isnan(values).any():
        return "missing (NaN)", "missing (NaN)"
    return ("infinite", "infinite") if np.isinf(values).any() else None


def _mapped(file: Path, name: str) -> Iterator[Rows]:
    if file.stat().st_size == 0:
        return
    with file.open("rb") as stream:
        # Not closed by hand: arrays may still look into the map; it goes with the last of them.
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        yield from recordio_protobuf.read_rows(memoryview(data), name)
