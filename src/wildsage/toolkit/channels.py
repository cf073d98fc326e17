"""Reading an input channel as blocks of rows: files of a folder, an epoch of a FIFO, or arrays of this process."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from wildsage.formats import codecs
from wildsage.formats.content_types import CSV, ContentType
from wildsage.formats.errors import FormatError, MissingLibraryError, NotFiniteError
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, finite
from wildsage.toolkit.errors import PlatformError, UserError
from wildsage.toolkit.magnitudes import TooLargeError, bounded

_FIFO_PATIENCE_SECONDS = 60.0


class Channel(Protocol):
    """Rows of training data, as often as an algorithm wants them."""

    @property
    def name(self) -> str:
        """Of the channel."""
        ...

    @property
    def is_streamed(self) -> bool:
        """Whether each pass reads the channel anew, front to back, and its size is not known."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read, as where a job has more hosts than objects."""
        ...

    @property
    def stored_bytes(self) -> int:
        """Bytes to read for a pass; 0 where the rows are in memory."""
        ...

    @property
    def width_hint(self) -> str:
        """What may be wrong where the rows have another width than expected; empty or a sentence."""
        ...

    def rows(self) -> Iterator[Rows]:
        """Yield all rows, block by block.

        Raises
        ------
        UserError
            For data that cannot be read.
        """
        ...


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
    largest
        The greatest absolute value that is taken.
    """

    name: str
    folder: Path
    content_type: ContentType
    default_label_size: int = 1
    missing: bool = False
    delimiter: str | None = ","
    largest: float = math.inf
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
            If there is no file, or one cannot be opened.
        """
        if self.pipe is not None:
            name = f"{self.name}_{self.pipe.epochs}"
            with self.pipe.open() as stream:
                yield name, stream
            return
        for file in self.files():
            with self._open(file) as stream:
                yield self._shown(file), stream

    def files(self) -> list[Path]:
        """All data files below the folder, in order; names that begin with ``.`` or ``_`` are left out.

        Raises
        ------
        UserError
            If there is none, or what is there is no file: a pipe, or a link to nothing that is here.
        """
        found = sorted(self._found())
        if not found:
            raise UserError(f"Unable to read data channel '{self.name}'. There is no data file in it.")
        for file in found:
            if not file.is_file():
                raise UserError(
                    f"Unable to read data channel '{self.name}'. {self._shown(file)} is not a file that is here."
                )
        return found

    @property
    def is_empty(self) -> bool:
        """Whether there is no data file, as where a job has more hosts than objects. A stream may have nothing too."""
        return not self.is_streamed and next(self._found(), None) is None

    @property
    def stored_bytes(self) -> int:
        """Bytes of all data files."""
        return sum(file.stat().st_size for file in self.files())

    @property
    def width_hint(self) -> str:
        """Say where a label may have been meant as a feature."""
        if self.content_type.format == CSV and "label_size" not in self.content_type.parameters:
            return " The first column was taken as a label: if it is a feature, use 'text/csv;label_size=0'."
        return ""

    def _found(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.folder, onerror=self._refuse):
            folders[:] = sorted(name for name in folders if not _skipped(name))
            yield from (Path(folder, name) for name in names if not _skipped(name))

    def _open(self, file: Path) -> BinaryIO:
        try:
            return file.open("rb")
        except OSError as error:
            self._refuse(error)
            raise

    def _refuse(self, error: OSError) -> None:
        """Say what of the channel cannot be opened; a channel's folder need not be there."""
        if not isinstance(error, FileNotFoundError):
            shown = self._shown(Path(error.filename))
            raise UserError(
                f"Unable to read data channel '{self.name}'. {shown} cannot be read: {error.strerror}."
            ) from error

    def _shown(self, file: Path) -> str:
        return str(file.relative_to(self.folder.parent))

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
            For malformed files (with file and line or byte), for values that are too large and, unless allowed, for
            NaN or infinite ones.
        """
        _ = self.label_size  # its error is told before any file's
        reading = Reading(
            self.content_type, self.default_label_size, missing=self.missing, delimiter=self.delimiter
        )
        for name, stream in self.opened():
            try:
                yield from bounded(codecs.read_rows(stream, name, reading), name, self.largest)
            except NotFiniteError as error:
                raise _not_finite(self.name, error) from error
            except TooLargeError as error:
                raise UserError(f"Unable to read data channel '{self.name}'. {error}") from None
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


@dataclass(frozen=True, slots=True)
class ArrayChannel:
    """A channel whose rows are in memory already.

    Attributes
    ----------
    missing
        NaN is allowed.
    largest
        The greatest absolute value that is taken.
    """

    name: str
    content: Rows
    missing: bool = False
    largest: float = math.inf
    is_streamed: bool = False
    stored_bytes: int = 0
    width_hint: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows."""
        return len(self.content) == 0

    def rows(self) -> Iterator[Rows]:
        """Yield all rows at once.

        Raises
        ------
        UserError
            For values that are too large and, unless allowed, for NaN and infinite ones.
        """
        source = f"channel '{self.name}'"
        try:
            yield from bounded(finite([self.content], source, missing=self.missing), source, self.largest)
        except NotFiniteError as error:
            raise _not_finite(self.name, error) from error
        except TooLargeError as error:
            raise UserError(f"Unable to read data channel '{self.name}'. {error}") from None


def _not_finite(channel: str, error: NotFiniteError) -> UserError:
    return UserError(
        f"Unable to read data channel '{channel}'. Found {error.kind} values. "
        f"Please remove any {error.kind} values in the input data."
    )


def _skipped(name: str) -> bool:
    return name.startswith((".", "_"))
