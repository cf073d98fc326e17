"""LIBSVM text: ``label[:weight] [qid:group] index:value …``, one row a line.

Regular blocks are parsed at once; a block that fails is looked at line by line, to name the line.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.sparse import SparseRows

_BLOCK = 4 << 20
LONGEST_LINE = 64 << 20
"""Bytes. A longer line is refused, so that memory stays bounded."""
_COLON, _SPACE, _TAB, _NEWLINE = b": \t\n"
_LARGEST_INDEX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class LibsvmRows:
    """Consecutive rows; `weights` and `groups` are None where the text gives none.

    Attributes
    ----------
    rows
        Columns numbered as in the text, whether from 0 or from 1.
    labels
        (n,) float32.
    weights
        (n,) float32, of the form ``label:weight``.
    groups
        (n,) int64, of the form ``qid:group``.
    """

    rows: SparseRows
    labels: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None


def parse_libsvm(data: bytes, source: str = "request body", line: int = 1) -> LibsvmRows:
    """Parse whole lines.

    Raises
    ------
    FormatError
        With the line: labels, indices or values that are no numbers, a mix of weighted and unweighted rows.
    """
    clean = data.replace(b"\r\n", b"\n").replace(b"\t", b" ")
    found = _parse_at_once(clean)
    return found if found is not None else _parse_by_line(clean, source, line)


def read_libsvm(file: BinaryIO, source: str) -> Iterator[LibsvmRows]:
    """Yield a file's rows in blocks, in bounded memory.

    Raises
    ------
    FormatError
        As `parse_libsvm`; also where a line is longer than `LONGEST_LINE`.
    """
    rest = b""
    line = 1
    while True:
        read = file.read(_BLOCK)
        text = rest + read
        cut = len(text) if not read else text.rfind(b"\n") + 1
        block, rest = text[:cut], text[cut:]
        if len(rest) > LONGEST_LINE:
            number = line + block.count(b"\n")
            raise FormatError(source, f"the line is longer than {LONGEST_LINE >> 20} MiB", line=number)
        if block.strip():
            yield parse_libsvm(block, source, line)
        line += block.count(b"\n")
        if not read:
            return


def _parse_at_once(text: bytes) -> LibsvmRows | None:
    """Parse a block of ``label[:weight] index:value …`` lines; None for anything else.

    All numbers are read as one run. Which of them is what follows from the marks between them: within a line
    they must alternate, and begin with a colon where the label carries a weight.
    """
    text = b"\n".join(line.strip() for line in text.split(b"\n") if line.strip())
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    if not text or b"#" in text or b"qid" in text:
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
    return LibsvmRows(
        _rows((lengths - head) // 2, indices.astype(np.int64), values.astype(np.float32)),
        numbers[starts].astype(np.float32),
        numbers[starts + 1].astype(np.float32) if weighted else None,
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


def _parse_by_line(text: bytes, source: str, first: int) -> LibsvmRows:
    lines: list[_Line] = []
    for number, raw in enumerate(text.split(b"\n"), first):
        content = raw.partition(b"#")[0].split()
        if not content:
            continue
        try:
            parsed = _parse_line(content)
        except ValueError as error:
            raise FormatError(source, str(error), line=number) from error
        if lines and (parsed.weight is None) != (lines[0].weight is None):
            raise FormatError(source, "some rows have a weight (label:weight), others none", line=number)
        if lines and (parsed.group is None) != (lines[0].group is None):
            raise FormatError(source, "some rows have a group (qid:number), others none", line=number)
        lines.append(parsed)
    weights = [line.weight for line in lines if line.weight is not None]
    groups = [line.group for line in lines if line.group is not None]
    return LibsvmRows(
        _rows(
            np.array([len(line.columns) for line in lines], np.int64),
            np.array([column for line in lines for column in line.columns], np.int64),
            np.array([value for line in lines for value in line.values], np.float32),
        ),
        np.array([line.label for line in lines], np.float32),
        np.array(weights, np.float32) if weights else None,
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
