"""Blocks of CSV by polars, where the extra ``polars`` is installed: the same numbers, four times as fast.

polars is asked for doubles, which are then brought to float32: so a number is rounded as the base reader
rounds it. Whatever polars refuses, and what it would take for more than it is (a short or a blank line), goes
to the base reader, which words the error.
"""

import numpy as np
from numpy.typing import NDArray

from wildsage.formats.extras import installed, load

SMALLEST = 1 << 18
"""Bytes from which on it is faster, the first import of the library aside."""
SMALLEST_COLUMN = 1 << 10
"""Bytes of a column, without which what polars does for each column takes longer than reading its numbers."""
_NEWLINE = ord("\n")


def worthwhile(text: bytes, delimiter: bytes, columns: int) -> bool:
    """Tell whether a block is large enough for its columns, and of a kind that polars reads as the base reader does.

    In a single column a blank line and an empty field are the same; a space may stand around any number.
    """
    is_large = len(text) >= max(SMALLEST, columns * SMALLEST_COLUMN)
    return is_large and columns > 1 and delimiter != b" " and installed("polars")


def parse(text: bytes, delimiter: bytes, columns: int, *, missing: bool) -> NDArray[np.float32] | None:
    """Parse whole lines without quotes and carriage returns; None where the base reader has to look."""
    library = load("polars", "CSV", "polars")
    try:
        table = library.read_csv(
            text,
            has_header=False,
            schema={str(column): library.Float64 for column in range(columns)},
            separator=delimiter.decode(),
            quote_char=None,
        )
    except (library.exceptions.PolarsError, library.exceptions.PanicException):
        return None
    # Fields that a line lacks are given as empty ones.
    if any(column.null_count() for column in table.get_columns()) and not (
        missing and _same_count(text, delimiter, table.height, columns)
    ):
        return None
    matrix: NDArray[np.float32] = table.cast(library.Float32).to_numpy(order="c", writable=True)
    return matrix


def _same_count(text: bytes, delimiter: bytes, rows: int, columns: int) -> bool:
    """Tell whether lines of at most `columns` fields have all of them."""
    raw = np.frombuffer(text, np.uint8)
    ends = np.count_nonzero(raw == _NEWLINE) + (not text.endswith(b"\n"))
    return bool(ends == rows and np.count_nonzero(raw == delimiter[0]) == rows * (columns - 1))
