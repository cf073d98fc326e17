"""CSV of numbers without a header, as the built-in algorithms read it.

Whole blocks are parsed at once; only a block that fails is looked at line by line, to name the line.
"""

import codecs
import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, excerpt

_BLOCK = 4 << 20
LONGEST_LINE = 64 << 20
"""Bytes. A longer line is refused, so that memory stays bounded."""
_ASCII_SUPERSETS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-8-sig"})
_DELIMITERS = ",\t;| "


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the text is to be read.

    Attributes
    ----------
    charset
        Character encoding; a byte order mark of UTF-8 is dropped.
    delimiter
        Between the fields; None: found in the first line.
    missing
        True: an empty field is NaN. False: it is an error.
    """

    charset: str = "utf-8"
    delimiter: str | None = ","
    missing: bool = False


def parse_csv(
    data: bytes, source: str = "request body", dialect: Dialect | None = None
) -> NDArray[np.float32]:
    """Parse a text that is in memory: (n, d).

    Raises
    ------
    FormatError
        With the line: ragged rows, fields that are no numbers, bytes outside the charset.
    """
    parser = _Parser(source, dialect or Dialect())
    return parser.parse(parser.transcode(data, final=True))


def read_csv(file: BinaryIO, source: str, dialect: Dialect | None = None) -> Iterator[NDArray[np.float32]]:
    """Yield a file's rows in blocks (n, d), in memory bounded by some 100 MB whatever the file holds.

    Raises
    ------
    FormatError
        As `parse_csv`; also where a line is longer than `LONGEST_LINE`.
    """
    parser = _Parser(source, dialect or Dialect())
    rest = b""
    while True:
        read = file.read(_BLOCK)
        text = rest + parser.transcode(read, final=not read)
        cut = len(text) if not read else text.rfind(b"\n") + 1
        block, rest = text[:cut], text[cut:]
        if len(rest) > LONGEST_LINE:
            line = parser.line + block.count(b"\n")
            raise FormatError(source, f"the line is longer than {LONGEST_LINE >> 20} MiB", line=line)
        if block.strip():
            yield parser.parse(block)
        elif block:
            parser.line += block.count(b"\n")
        if not read:
            return


class _Parser:
    """Keeps what must agree between blocks: delimiter, count of columns, line number."""

    def __init__(self, source: str, dialect: Dialect) -> None:
        self.source = source
        self.line = 1
        self._missing = dialect.missing
        self._delimiter = dialect.delimiter.encode() if dialect.delimiter else None
        self._columns: int | None = None
        try:
            name = codecs.lookup(dialect.charset).name
        except LookupError as error:
            raise FormatError(source, f"the charset {dialect.charset!r} is unknown") from error
        self._decoder = None if name in _ASCII_SUPERSETS else codecs.getincrementaldecoder(name)()
        self._begun = False

    def transcode(self, data: bytes, *, final: bool) -> bytes:
        """Bring bytes of the charset to UTF-8 without byte order mark."""
        if self._decoder is not None:
            try:
                data = self._decoder.decode(data, final).encode()
            except UnicodeError as error:
                raise FormatError(
                    self.source, f"not in the charset announced: {error}", line=self.line
                ) from error
        if not self._begun and data:
            self._begun = True
            data = data.removeprefix(codecs.BOM_UTF8)
        return data

    def parse(self, text: bytes) -> NDArray[np.float32]:
        """Parse whole lines."""
        matrix = self._parse_at_once(text)
        if matrix is None:
            matrix = self._parse_by_line(text)
        self.line += text.count(b"\n")
        return matrix

    def _parse_at_once(self, text: bytes) -> NDArray[np.float32] | None:
        """Parse a regular block; None for anything that needs a closer look."""
        clean = text.rstrip()
        if b"\r" in clean:
            clean = clean.replace(b"\r\n", b"\n")
        first = clean[:end] if (end := clean.find(b"\n")) >= 0 else clean
        delimiter = self._delimiter = self._delimiter or _sniff(first)
        columns = first.count(delimiter) + 1
        if self._columns is None:
            self._columns = columns
        rows = clean.count(b"\n") + 1
        if columns != self._columns or not clean or not _regular(clean, delimiter, rows, columns):
            return None
        if self._missing:
            clean = _fill_empty(clean, delimiter)
        joined = clean.replace(b"\n", delimiter)
        if delimiter == b" ":
            joined = joined.replace(b" ", b",")
            delimiter = b","
        with warnings.catch_warnings():
            # Older numpy only warns about unmatched text; the count below finds it.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                values = np.fromstring(joined, np.float32, sep=delimiter.decode())
            except ValueError:
                return None
        return values.reshape(rows, columns) if values.size == rows * columns else None

    def _parse_by_line(self, text: bytes) -> NDArray[np.float32]:
        """Parse with quotes, blank lines and empty fields, or say which line breaks which rule."""
        delimiter = (self._delimiter or b",").decode()
        rows: list[list[float]] = []
        for number, raw in enumerate(text.split(b"\n"), self.line):
            line = raw.decode("utf-8", "replace").strip(" \r" if delimiter == "\t" else None)
            if not line:
                continue
            fields = self._fields(line, delimiter, number)
            if self._columns is None or (not rows and self.line == 1):
                self._columns = len(fields)
            if len(fields) != self._columns:
                raise FormatError(
                    self.source, f"{len(fields)} columns, the lines before have {self._columns}", line=number
                )
            rows.append([self._number(field, number, place) for place, field in enumerate(fields, 1)])
        return np.array(rows, np.float32).reshape(len(rows), self._columns or 0)

    def _fields(self, line: str, delimiter: str, number: int) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise FormatError(
                self.source, f"{excerpt(line)} is no line of CSV: {error}", line=number
            ) from error

    def _number(self, field: str, line: int, column: int) -> float:
        if not field.strip() and self._missing:
            return float("nan")
        try:
            if "_" in field:
                raise ValueError
            return float(field)
        except ValueError:
            hint = "; CSV input has no header row: remove the first line" if line == 1 else ""
            raise FormatError(
                self.source, f"column {column} holds {excerpt(field)}, not a number{hint}", line=line
            ) from None


def _sniff(line: bytes) -> bytes:
    """Find the delimiter of a line: the first candidate that occurs."""
    text = line.strip()
    return next((mark.encode() for mark in _DELIMITERS if mark.encode() in text), b",")


def _regular(text: bytes, delimiter: bytes, rows: int, columns: int) -> bool:
    """Tell whether every line has the same count of delimiters and none is blank or quoted."""
    if b'"' in text or text.count(delimiter) != rows * (columns - 1):
        return False
    raw = np.frombuffer(text, np.uint8)
    marks = raw[(raw == delimiter[0]) | (raw == 10)] == 10
    ends = np.flatnonzero(marks)
    return bool((np.diff(ends, prepend=-1) == columns).all()) if columns > 1 else b"\n\n" not in text


def _fill_empty(text: bytes, delimiter: bytes) -> bytes:
    """Write ``nan`` into empty fields."""
    pair = delimiter * 2
    if pair in text:
        filled = delimiter + b"nan" + delimiter
        text = text.replace(pair, filled).replace(pair, filled)
    text = text.replace(b"\n" + delimiter, b"\nnan" + delimiter).replace(
        delimiter + b"\n", delimiter + b"nan\n"
    )
    if text.startswith(delimiter):
        text = b"nan" + text
    return text + b"nan" if text.endswith(delimiter) else text
