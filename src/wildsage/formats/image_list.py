r"""Lists of images, as MXNet's im2rec writes them: ``.lst`` files of the channels ``train_lst``.

A line is ``index \\t label [\\t label ...] \\t path``, the path relative to the channel of the images.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.lines import read_lines

_FEWEST_FIELDS = 3


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """A line: which image, with which labels (one class, or one number for each class)."""

    index: int
    labels: tuple[float, ...]
    path: str


def read_entries(file: BinaryIO, source: str) -> Iterator[ImageEntry]:
    """Yield the entries of a list.

    Raises
    ------
    FormatError
        With the line: too few fields, an index or a label that is no number, an index that was there before,
        a path that leads out of its folder.
    """
    seen: dict[int, int] = {}
    for number, line in read_lines(file, source):
        entry = _entry(line, source, number)
        before = seen.setdefault(entry.index, number)
        if before != number:
            raise FormatError(source, f"index {entry.index} is that of line {before} too", line=number)
        yield entry


def write_entries(entries: Iterable[ImageEntry]) -> bytes:
    """Write a list as im2rec does, labels with six digits behind the point."""
    lines = ("\t".join([str(e.index), *(f"{label:f}" for label in e.labels), e.path]) + "\n" for e in entries)
    return "".join(lines).encode()


def _entry(line: bytes, source: str, number: int) -> ImageEntry:
    try:
        fields = line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise FormatError(source, f"{excerpt(line)} is not in UTF-8", line=number) from error
    if len(fields) < _FEWEST_FIELDS:
        raise FormatError(
            source, f"{excerpt(line)} is not index, labels and path with tabs between", line=number
        )
    index, *labels, path = (field.strip() for field in fields)
    if not (index.isascii() and index.isdigit() and len(index) < 20):
        raise FormatError(source, f"{excerpt(index)} is not an index (a whole number from 0)", line=number)
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise FormatError(
            source, f"{excerpt(path)} is not a path inside the channel of the images", line=number
        )
    return ImageEntry(int(index), tuple(_label(label, source, number) for label in labels), path)


def _label(text: str, source: str, number: int) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(source, f"{excerpt(text)} is not a label (a finite number)", line=number)
    return value
