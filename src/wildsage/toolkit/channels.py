"""Reading an input channel as blocks of rows: files of a folder, or an epoch of a FIFO."""

import math
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import csv_text, recordio_protobuf
from wildsage.formats.content_types import CSV, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.recordio_protobuf import Rows
from wildsage.toolkit.errors import PlatformError, UserError
from wildsage.toolkit.record_streams import read_row_stream

_FIFO_PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Pipe:
    """The FIFOs of a channel in Pipe mode: each is read once, ``NAME_0`` first.

    Attributes
    ----------
    epochs
        How many were opened.
    """

    path: Path
    epochs: int = 0

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the next one, from which the whole channel comes once more; closing early is allowed.

        Raises
        ------
        PlatformError
            If it does not come.
        """
        place = self.path.with_name(f"{self.path.name}_{self.epochs}")
        deadline = time.monotonic() + _FIFO_PATIENCE_SECONDS
        while not place.is_fifo():  # it is made when the one before it is opened
            if time.monotonic() > deadline:
                raise PlatformError(f"there is no FIFO {place}")
            time.sleep(0.01)
        self.epochs += 1
        with place.open("rb") as stream:
            yield stream


@dataclass(frozen=True, slots=True)
class ChannelReader:
    """An input channel: its files or its FIFOs, and how to read them.

    Attributes
    ----------
    pipe
        In Pipe mode; None: the files of `folder` are read.
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
    pipe: Pipe | None = None

    @property
    def is_streamed(self) -> bool:
        """Whether each pass reads the channel anew, front to back, and its size is not known."""
        return self.pipe is not None

    def opened(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield the name and the open stream of each file; in Pipe mode of one epoch, the next.

        Raises
        ------
        UserError
            If there is no file.
        """
        if self.pipe is not None:
            name = f"{self.name}_{self.pipe.epochs}"
            with self.pipe.open() as stream:
                yield name, stream
            return
        for file in self.files():
            with file.open("rb") as stream:
                yield str(file.relative_to(self.folder.parent)), stream

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
        """Yield the rows of all files, or of the next epoch, in blocks of some thousand; memory stays bounded.

        Raises
        ------
        UserError
            For malformed files (with file and line or byte) and, unless allowed, for NaN or infinite values.
        """
        for name, stream in self.opened():
            try:
                for rows in self._read(stream, name):
                    self._check_finite(rows)
                    yield rows
            except FormatError as error:
                requested = self.content_type.media_type
                raise UserError(
                    f"Unable to read data channel '{self.name}'. Requested content-type is '{requested}'. "
                    "Please verify the data matches the requested content-type."
                ) from error

    def _read(self, stream: BinaryIO, name: str) -> Iterator[Rows]:
        media_type = self.content_type.media_type
        if media_type == RECORDIO_PROTOBUF:
            yield from _mapped(stream, name) if self.pipe is None else read_row_stream(stream, name)
            return
        if media_type != CSV:
            raise UserError(f"Unable to read data channel '{self.name}'. '{media_type}' is not supported.")
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


def _mapped(stream: BinaryIO, name: str) -> Iterator[Rows]:
    if os.fstat(stream.fileno()).st_size == 0:
        return
    # Not closed by hand: arrays may still look into the map; it goes with the last of them.
    data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    yield from recordio_protobuf.read_rows(memoryview(data), name)
