"""The table of content types: which module reads and writes what a media type names.

A format is one module with ``read_rows`` or ``read_images`` (and where it is written, ``write_rows`` or
``write_images``), and one line here. A module is imported when its type is first met.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal

from wildsage.formats.content_types import (
    CSV,
    IMAGE,
    JPEG,
    JSON,
    JSON_LINES,
    LIBSVM,
    OTHER_NAMES,
    PARQUET,
    PNG,
    RECORDIO,
    RECORDIO_PROTOBUF,
    ContentType,
)
from wildsage.formats.images import Image
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, finite


@dataclass(frozen=True, slots=True)
class Codec:
    """A format.

    Attributes
    ----------
    gives
        ``rows``: numbers (`wildsage.formats.rows.Rows`); ``images`` (`wildsage.formats.images.Image`).
    """

    media_type: str
    module: str
    gives: Literal["rows", "images"] = "rows"

    @property
    def names(self) -> tuple[str, ...]:
        """Other names of the media type."""
        return tuple(name for name, media_type in OTHER_NAMES.items() if media_type == self.media_type)

    @property
    def read(self) -> Callable[[BinaryIO, str, Reading], Iterator[Any]]:
        """The function that reads a file: ``read(file, source, reading)``."""
        return self._function(f"read_{self.gives}")

    @property
    def write(self) -> Callable[[Any], bytes]:
        """The function that writes rows, or a list of images."""
        return self._function(f"write_{self.gives}")

    def _function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(importlib.import_module(f"wildsage.formats.{self.module}"), name)
        return found


CODECS: Final = (
    Codec(RECORDIO_PROTOBUF, "recordio_protobuf"),
    Codec(CSV, "csv_text"),
    Codec(LIBSVM, "libsvm"),
    Codec(JSON, "json_instances"),
    Codec(JSON_LINES, "json_lines"),
    Codec(PARQUET, "parquet"),
    Codec(RECORDIO, "image_recordio", "images"),
    Codec(JPEG, "images", "images"),
    Codec(PNG, "images", "images"),
    Codec(IMAGE, "images", "images"),
)
_BY_TYPE: Final = {codec.media_type: codec for codec in CODECS}


class UnknownContentTypeError(ValueError):
    """A content type that no codec reads, or not as what was asked for."""


def find(content_type: ContentType | str) -> Codec:
    """Return the codec of a content type.

    Raises
    ------
    UnknownContentTypeError
        If there is none.
    """
    parsed = ContentType.parse(content_type) if isinstance(content_type, str) else content_type
    codec = _BY_TYPE.get(parsed.format)
    if codec is None:
        known = ", ".join(codec.media_type for codec in CODECS)
        raise UnknownContentTypeError(f"content type {parsed.media_type!r} is none of {known}")
    return codec


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield the rows of a file in blocks, in bounded memory, whatever their format is.

    Parameters
    ----------
    file
        Opened for bytes; it need not be seekable.
    source
        What the file is called in errors.

    Raises
    ------
    FormatError
        Where the bytes break a rule of their format; `NotFiniteError` for infinite numbers, and for NaN unless
        values may be missing.
    UnknownContentTypeError
        If the content type names no format of rows.
    MissingLibraryError
        If the format needs a library that is not installed.
    """
    rows = _codec(reading, "rows").read(file, source, reading)
    return finite(rows, source, missing=reading.missing)


def read_images(file: BinaryIO, source: str, reading: Reading) -> Iterator[Image]:
    """Yield the images of a file.

    Raises
    ------
    FormatError
        Where the bytes break a rule of their format.
    UnknownContentTypeError
        If the content type names no format of images.
    """
    return _codec(reading, "images").read(file, source, reading)


def _codec(reading: Reading, gives: str) -> Codec:
    codec = find(reading.content_type)
    if codec.gives != gives:
        raise UnknownContentTypeError(f"content type {codec.media_type!r} holds {codec.gives}, not {gives}")
    return codec
