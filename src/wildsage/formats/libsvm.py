"""LIBSVM text: ``label[:weight] [qid:group] index:value …``, one row a line: ``text/libsvm``.

The text does not say whether it numbers columns from 0 or from 1: rows come with the numbers of the text, and
`find_first_index` and `shift_columns` bring them to 0 when all are known.

Regular blocks are parsed at once; a block that fails is looked at line by line, to name the line.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import streams
from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.lines import line_blocks
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, as_float32
from wildsage.formats.sparse import SparseRows, from_dense

_COLON, _SPACE, _TAB, _NEWLINE = b": \t\n"
_LARGEST_INDEX = (1 << 31) - 1
_MIXED = "some rows have a weight (label:weight) or a group (qid:number), others none"


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield a file's rows in blocks, sparse, with weights of ``label:weight`` and groups of ``qid:group``.

    Raises
    ------
    FormatError
        With the line: labels, indices or values that are no numbers, a mix of rows with and without weights.
    """
    del reading  # the text says all of itself
    kind: tuple[bool, bool] | None = None
    for line, block in line_blocks(streams.blocks(file), source):
        if not block.isspace():
            clean = block.replace(b"\r\n", b"\n").replace(b"\t", b" ")
            rows = _parse_at_once(clean)
            if rows is None:
                rows = _parse_by_line(clean, source, line)
            if not len(rows):
                continue  # nothing but comments
            kind = kind or (rows.weights is None, rows.groups is None)
            if kind != (rows.weights is None, rows.groups is None):
                raise FormatError(source, _MIXED, line=line)
            yield rows


def write_rows(rows: Rows) -> bytes:
    """Write rows, columns numbered from 0; only the first label has a place in it.

    Each line begins with a label: rows that have none, such as those of a request, get 0.
    """
    features = rows.features if isinstance(rows.features, SparseRows) else from_dense(rows.features)
    numbers = zip(features.columns.tolist(), features.values.astype("U16").tolist(), strict=True)
    entries = [f"{column}:{value}" for column, value in numbers]
    labels = rows.labels[:, 0] if rows.labels.shape[1] else np.zeros(len(rows), np.float32)
    heads = labels.astype("U16").tolist()
    if rows.weights is not None:
        weights = rows.weights.astype("U16").tolist()
        heads = [f"{head}:{weight}" for head, weight in zip(heads, weights, strict=True)]
    if rows.groups is not None:
        heads = [f"{head} qid:{group}" for head, group in zip(heads, rows.groups.tolist(), strict=True)]
    bounds = zip(heads, features.starts[:-1], features.starts[1:], strict=True)
    return "".join([" ".join([head, *entries[begin:end]]) + "\n" for head, begin, end in bounds]).encode()


def find_first_index(rows: SparseRows) -> int:
    """Tell whether columns are numbered from 1 (column 0 never occurs) or from 0."""
    return 1 if rows.columns.size and rows.columns.min() >= 1 else 0


def shift_columns(rows: SparseRows, first_index: int, source: str) -> SparseRows:
    """Renumber columns from 0.

    Raises
    ------
    FormatError
        If a column lies before the first one.
    """
    if first_index == 0:
        return rows
    if rows.columns.size and rows.columns.min() < first_index:
        row, column = rows.place(int(rows.columns.argmin()))
        raise FormatError(
            source, f"column {column}, but the training data counts from {first_index}", row=row + 1
        )
    return SparseRows(rows.starts, rows.columns - first_index, rows.values, max(rows.width - first_index, 0))


def _parse_at_once(text: bytes) -> Rows | None:
    """Parse a block of ``label[:weight] index:value …`` lines; None for anything else.

    All numbers are read as one run. Which of them is what follows from the marks between them: within a line
    they must alternate, and begin with a colon where the label carries a weight.
    """
    text = b"\n".join(line.strip() for line in text.split(b"\n") if line.strip())
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    # numpy takes nan(1) for a number.
    if not text or b"#" in text or b"qid" in text or b"(" in text:
        return None
    raw = np.frombuffer(text, np.uint8)
    marks = np.append(raw[(raw == _COLON) | (raw == _SPACE) | (raw == _NEWLINE)], _NEWLINE)
    with warnings.catch_warnings():
        # Older numpy only warns about unmatched text; the count below finds it.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            numbers = np.fromstring(text.replace(b":", b" ").replace(b"\n", b" "), np.float64, sep=" ")
        except ValueError:
            return None
    if numbers.size != marks.size:
        return None
    ends = np.flatnonzero(marks == _NEWLINE)
    lengths = np.diff(ends, prepend=-1)
    starts = ends - lengths + 1
    weighted = bool(lengths[0] % 2 == 0)
    place = np.arange(marks.size) - np.repeat(starts, lengths)
    colon_expected = place % 2 == (0 if weighted else 1)
    colon_expected[ends] = False
    if not np.array_equal(marks == _COLON, colon_expected) or (lengths % 2 == int(weighted)).any():
        return None
    head = 2 if weighted else 1
    indices = numbers[(place >= head) & (place % 2 == head % 2)]
    values = numbers[(place >= head) & (place % 2 != head % 2)]
    if indices.size and (indices.min() < 0 or indices.max() > _LARGEST_INDEX or (indices % 1).any()):
        return None
    return Rows(
        _rows((lengths - head) // 2, indices.astype(np.int64), as_float32(values)),
        as_float32(numbers[starts]).reshape(-1, 1),
        as_float32(numbers[starts + 1]) if weighted else None,
    )


def _rows(counts: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float32]) -> SparseRows:
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return SparseRows(starts, columns, values, int(columns.max()) + 1 if columns.size else 0)


@dataclass(slots=True)
class _Line:
    label: float
    weight: float | None
    group: int | None
    columns: list[int]
    values: list[float]


def _parse_by_line(text: bytes, source: str, first: int) -> Rows:
    lines: list[_Line] = []
    for number, raw in enumerate(text.split(b"\n"), first):
        content = raw.partition(b"#")[0].split()
        if not content:
            continue
        try:
            parsed = _parse_line(content)
        except ValueError as error:
            raise FormatError(source, str(error), line=number) from error
        kind = (parsed.weight is None, parsed.group is None)
        if lines and kind != (lines[0].weight is None, lines[0].group is None):
            raise FormatError(source, _MIXED, line=number)
        lines.append(parsed)
    weights = [line.weight for line in lines if line.weight is not None]
    groups = [line.group for line in lines if line.group is not None]
    return Rows(
        _rows(
            np.array([len(line.columns) for line in lines], np.int64),
            np.array([column for line in lines for column in line.columns], np.int64),
            as_float32([value for line in lines for value in line.values]),
        ),
        as_float32([line.label for line in lines]).reshape(-1, 1),
        as_float32(weights) if weights else None,
        np.array(groups, np.int64) if groups else None,
    )


def _parse_line(tokens: list[bytes]) -> _Line:
    label, colon, weight = tokens[0].partition(b":")
    parsed = _Line(_number(label), _number(weight) if colon else None, None, [], [])
    for token in tokens[1:]:
        index, colon, value = token.partition(b":")
        if not colon:
            raise ValueError(f"{excerpt(token)} is not of the form index:value")
        if index == b"qid":
            parsed.group = _index(value)
            continue
        parsed.columns.append(_index(index))
        parsed.values.append(_number(value))
    return parsed


def _number(text: bytes) -> float:
    try:
        if b"_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise ValueError(
            f"{excerpt(text)} is not a number; expected: label index:value index:value …"
        ) from None


def _index(text: bytes) -> int:
    if not text.isdigit() or int(text) > _LARGEST_INDEX:
        raise ValueError(f"{excerpt(text)} is not a column index (a whole number from 0 to {_LARGEST_INDEX})")
    return int(text)
