"""JSON Lines, one value a line: ``application/jsonlines``."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO

from wildsage.formats import json_instances
from wildsage.formats.json_text import load
from wildsage.formats.lines import read_lines
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows

_BLOCK = 8192
"""Lines whose rows are given together at most."""


def read_values(file: BinaryIO, source: str) -> Iterator[tuple[int, Any]]:
    """Yield each line's value and number, in memory bounded by the longest line; blank lines are skipped.

    Raises
    ------
    FormatError
        With the line, if it is no JSON or too long.
    """
    for number, line in read_lines(file, source):
        yield number, load(line, source, {"line": number})


def read_rows(file: BinaryIO, source: str, reading: Reading) -> Iterator[Rows]:
    """Yield rows, of which each line is an instance as `wildsage.formats.json_instances` describes it.

    Raises
    ------
    FormatError
        With the line.
    """
    del reading  # an instance says all of itself
    values = (({"line": number}, value) for number, value in read_values(file, source))
    for first in values:
        block = chain([first], islice(values, _BLOCK - 1))
        yield from json_instances.instance_rows(block, source)


def write_rows(rows: Rows) -> bytes:
    """Write rows, an instance a line; labels, weights and groups have no place in it."""
    return encode_json_lines(list(json_instances.instances_of(rows)))


def encode_json_lines(rows: Sequence[Any]) -> bytes:
    """Write one value a line, the last line ended too."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
