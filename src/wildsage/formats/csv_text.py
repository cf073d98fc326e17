"""CSV of numbers without a header, as the built-in algorithms read it: ``text/csv``.

Whole blocks are parsed at once, large ones by polars where it is installed; only a block that fails is
looked at line by line, to read what is quoted or to name the line.
"""

import codecs
import csv
import io
import re
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import csv_polars, streams
from wildsage.formats.errors import FormatError, NotFiniteError, excerpt
from wildsage.formats.lines import line_blocks
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, as_float32
from wildsage.formats.sparse import SparseRows

_ASCII_SUPERSETS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-8-sig"})
_DELIMITERS = ",\t;| "
_HEADER_HINT = "; CSV input has no header row: if this is one, remove the first line"
_AHEAD = 2
"""Blocks that are parsed ahead."""


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
        With the line: ragged rows, fields that are no numbers, a header, bytes outside the charset.
    """
    parts = list(read_csv(io.BytesIO(data), source, dialect))
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def read_csv(file: BinaryIO, source: str, dialect: Dialect | None = None) -> Iterator[NDArray[np.float32]]:
    """Yield a file's rows in blocks (n, d), in memory bounded by some 100 MB whatever the file holds.

    Raises
    ------
    FormatError
        As `parse_csv`; also where a line is longer than `wildsage.formats.lines.LONGEST_LINE`.
    """
    dialect = dialect or Dialect()
    parser = _Parser(source, dialect)
    blocks = line_blocks(_transcoded(streams.blocks(file), source, dialect.charset), source, _count_line_ends)
    filled = ((block, line) for line, block in blocks if not block.isspace())
    first = next(filled, None)
    if first is None:
        return
    yield parser.parse(*first)
    if parser.fast:
        yield from _ahead(parser, filled)
    else:
        yield from starmap(parser.parse, filled)


def _ahead(parser: "_Parser", blocks: Iterable[tuple[bytes, int]]) -> Iterator[NDArray[np.float32]]:
    """Parse the next blocks while one is worked with. What must agree is known from the first one."""
    with ThreadPoolExecutor(_AHEAD) as threads:
        pending: deque[Future[NDArray[np.float32]]] = deque()
        for block, line in blocks:
            pending.append(threads.submit(parser.parse, block, line))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield a file's rows in blocks: labels first, then a weight where the reader says so, then features.

    Raises
    ------
    FormatError
        As `read_csv`; also where there are fewer columns than labels and weight take.
    """
    size = reading.labels()
    begin = size + int(reading.weights)
    dialect = Dialect(reading.content_type.charset, reading.delimiter, reading.missing)
    for matrix in read_csv(file, source, dialect):
        if matrix.shape[1] < begin:
            needed = f"label_size is {size}" + (" and a weight follows" if reading.weights else "")
            raise FormatError(source, f"{matrix.shape[1]} columns, but {needed}", line=1)
        weights = np.ascontiguousarray(matrix[:, size]) if reading.weights else None
        yield Rows(matrix[:, begin:], matrix[:, :size], weights)


def write_rows(rows: Rows) -> bytes:
    """Write rows, labels and a weight first; every number as short as it can be told from its neighbours."""
    features = rows.features.dense() if isinstance(rows.features, SparseRows) else rows.features
    weights = [rows.weights[:, np.newaxis]] if rows.weights is not None else []
    texts = np.concatenate([rows.labels, *weights, features], axis=1).astype("U16").tolist()
    return "".join([",".join(row) + "\n" for row in texts]).encode()


def _count_line_ends(text: bytes) -> int:
    """Count several times as fast as `bytes.count` does."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))


def _transcoded(blocks: Iterable[bytes], source: str, charset: str) -> Iterator[bytes]:
    """Bring bytes of a charset to UTF-8, unless numbers are written in it as they are in UTF-8."""
    try:
        name = codecs.lookup(charset).name
        decoder = codecs.getincrementaldecoder(name)()
    except (LookupError, ValueError) as error:
        raise FormatError(source, f"the charset {charset!r} is unknown") from error
    if name in _ASCII_SUPERSETS:
        yield from blocks
        return
    line = 1
    try:
        for block in blocks:
            text = decoder.decode(block).encode()
            yield text
            line += text.count(b"\n")
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise FormatError(source, f"not in the charset announced: {error}", line=line) from error


class _Parser:
    """Keeps what must agree between blocks: delimiter and count of columns.

    Attributes
    ----------
    fast
        A block was read by the faster library.
    """

    def __init__(self, source: str, dialect: Dialect) -> None:
        self._source = source
        self._missing = dialect.missing
        self._delimiter = dialect.delimiter.encode() if dialect.delimiter else None
        self._columns: int | None = None
        self._begun = False
        self.fast = False

    def parse(self, text: bytes, line: int) -> NDArray[np.float32]:
        """Parse whole lines, of which the first has the number `line`."""
        begins, self._begun = not self._begun, True
        matrix = self._parse_at_once(text)
        return matrix if matrix is not None else self._parse_by_line(text, line, begins=begins)

    def _parse_at_once(self, text: bytes) -> NDArray[np.float32] | None:
        """Parse a regular block; None for anything that needs a closer look."""
        returns = b"\r" in text
        if returns:
            text = text.replace(b"\r\n", b"\n")
            returns = b"\r" in text
        begin = 0
        while text.startswith(b"\n", begin):
            begin += 1
        first = text[begin:end] if (end := text.find(b"\n", begin)) >= 0 else text[begin:]
        delimiter = self._delimiter = self._delimiter or _sniff(first)
        columns = first.count(delimiter) + 1
        if self._columns is None:
            self._columns = columns
        if columns != self._columns or b'"' in text:
            return None
        if not returns and csv_polars.worthwhile(text, delimiter, columns):
            matrix = csv_polars.parse(text, delimiter, columns, missing=self._missing)
            if matrix is not None:
                self.fast = True
                return matrix
        return _parse_regular(text.rstrip(), delimiter, columns, missing=self._missing)

    def _parse_by_line(self, text: bytes, first: int, *, begins: bool) -> NDArray[np.float32]:
        """Parse with quotes, blank lines and empty fields, or say which line breaks which rule."""
        delimiter = (self._delimiter or b",").decode()
        rows: list[list[float]] = []
        for number, raw in enumerate(text.split(b"\n"), first):
            line = raw.decode("utf-8", "replace").strip(" \r" if delimiter == "\t" else None)
            if not line:
                continue
            fields = self._fields(line, delimiter, number)
            if begins and not rows:
                self._columns = len(fields)
                self._refuse_header(line, fields, number)
            if len(fields) != self._columns:
                raise FormatError(
                    self._source,
                    f"{len(fields)} columns, the lines before have {self._columns}",
                    line=number,
                )
            hint = _HEADER_HINT if begins and not rows else ""
            rows.append([self._number(field, number, place, hint) for place, field in enumerate(fields, 1)])
        numbers = [number for row in rows for number in row]
        return as_float32(numbers).reshape(len(rows), self._columns or 0)

    def _fields(self, line: str, delimiter: str, number: int) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise FormatError(
                self._source, f"{excerpt(line)} is no line of CSV: {error}", line=number
            ) from error

    def _refuse_header(self, line: str, fields: list[str], number: int) -> None:
        if any(field.strip() for field in fields) and not any(_is_number(field) for field in fields):
            raise FormatError(
                self._source,
                f"{excerpt(line)} is a header; CSV input has no header row: remove the first line",
                line=number,
            )

    def _number(self, field: str, line: int, column: int, hint: str) -> float:
        if _is_number(field):
            return float(field)
        is_empty = not field.strip()
        if is_empty and self._missing:
            return float("nan")
        said = f"column {column} holds {excerpt(field)}, not a number{hint}"
        if is_empty:
            raise NotFiniteError(self._source, "missing (NaN)", said, line=line)
        raise FormatError(self._source, said, line=line)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field and field.isascii()


def _sniff(line: bytes) -> bytes:
    """Find the delimiter of a line: the first candidate that occurs."""
    text = line.strip()
    return next((mark.encode() for mark in _DELIMITERS if mark.encode() in text), b",")


def _parse_regular(
    text: bytes, delimiter: bytes, columns: int, *, missing: bool
) -> NDArray[np.float32] | None:
    """Parse lines of which all have the same count of fields; None for any others."""
    rows = text.count(b"\n") + 1
    # numpy would take "nan(1)" for a number.
    if b"(" in text:
        return None
    if not text or _blank_field(text, delimiter) or not _regular(text, delimiter, rows, columns):
        return None
    if missing:
        text = _fill_empty(text, delimiter)
    joined = text.replace(b"\n", delimiter)
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


def _regular(text: bytes, delimiter: bytes, rows: int, columns: int) -> bool:
    """Tell whether every line has the same count of delimiters and none is blank."""
    if text.count(delimiter) != rows * (columns - 1):
        return False
    raw = np.frombuffer(text, np.uint8)
    marks = raw[(raw == delimiter[0]) | (raw == 10)] == 10
    ends = np.flatnonzero(marks)
    return bool((np.diff(ends, prepend=-1) == columns).all()) if columns > 1 else b"\n\n" not in text


def _blank_field(text: bytes, delimiter: bytes) -> bool:
    """Tell whether a field holds blanks only: numpy would take it for a number."""
    blanks = [blank for blank in (b" ", b"\t", b"\v", b"\f", b"\r") if blank != delimiter]
    if not any(blank in text for blank in blanks):
        return False
    ends = re.escape(delimiter) + b"\n"
    return re.search(rb"(?:\A|[%s])[%s]+(?=[%s]|\Z)" % (ends, b"".join(blanks), ends), text) is not None


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
