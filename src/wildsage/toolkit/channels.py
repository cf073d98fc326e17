"""Reading an input channel as blocks of rows: files of a folder, or an epoch of a FIFO."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wildsage.formats import codecs
from wildsage.formats.content_types import ContentType
from wildsage.formats.errors import FormatError, MissingLibraryError, NotFiniteError
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows
from wildsage.toolkit.errors import PlatformError, UserError

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
        _ = self.label_size  # its error is told before any file's
        reading = Reading(
            self.content_type, self.default_label_size, missing=self.missing, delimiter=self.delimiter
        )
        for name, stream in self.opened():
            try:
                yield from codecs.read_rows(stream, name, reading)
            except NotFiniteError as error:
                raise UserError(
                    f"Unable to read data channel '{self.name}'. Found {error.kind} values. "
                    f"Please remove any {error.kind} values in the input data."
                ) from error
            except FormatError as error:
                requested = self.content_type.media_type
                raise UserError(
                    f"Unable to read data channel '{self.name}'. Requested content-type is '{requested}'. "
                    "Please verify the data matches the requested content-type."
                ) from error
            except codecs.UnknownContentTypeError as error:
                raise UserError(
                    f"Unable to read data channel '{self.name}'. '{self.content_type.media_type}' is not supported."
                ) from error
            except MissingLibraryError as error:
                raise UserError(f"Unable to read data channel '{self.name}'. {error}") from error


def _skipped(name: str) -> bool:
    return name.startswith((".", "_"))
