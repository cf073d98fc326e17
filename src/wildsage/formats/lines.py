"""Blocks of whole lines, which every format of lines is read by."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from wildsage.formats import streams
from wildsage.formats.errors import FormatError

LONGEST_LINE = 64 << 20
"""Bytes. A longer line is refused, so that memory stays bounded."""

_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # the first begins UTF-32 too


def read_lines(file: BinaryIO, source: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file, as `split_lines` does."""
    return split_lines(streams.blocks(file), source)


def split_lines(blocks: Iterable[bytes], source: str) -> Iterator[tuple[int, bytes]]:
    """Yield lines that are not blank, without their ends, and their numbers from 1.

    Raises
    ------
    FormatError
        If a line is longer than `LONGEST_LINE`.
    """
    for first, block in line_blocks(blocks, source):
        for number, line in enumerate(block.split(b"\n"), first):
            if line.strip():
                yield number, line.removesuffix(b"\r")


def _count_line_ends(text: bytes) -> int:
    return text.count(b"\n")


def line_blocks(
    blocks: Iterable[bytes], source: str, count_line_ends: Callable[[bytes], int] = _count_line_ends
) -> Iterator[tuple[int, bytes]]:
    """Cut UTF-8 behind line ends: the number of the first line, from 1, and the lines.

    A byte order mark in front is dropped.

    Parameters
    ----------
    count_line_ends
        For who has a faster way than `bytes.count`.

    Raises
    ------
    FormatError
        If a line is longer than `LONGEST_LINE`, or the mark in front is that of UTF-16 or UTF-32.
    """
    line = 1
    held: list[bytes] = []
    for block, is_last in _with_last(_without_mark(blocks, source)):
        cut = len(block) if is_last else block.rfind(b"\n") + 1
        if cut or is_last:
            lines = b"".join([*held, memoryview(block)[:cut]])
            held = [block[cut:]]
            if lines:
                yield line, lines
                line += count_line_ends(lines)
        else:
            held.append(block)
        if sum(map(len, held)) > LONGEST_LINE:
            raise FormatError(source, f"the line is longer than {LONGEST_LINE >> 20} MiB", line=line)


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Tell the last block from the others: what it ends with is a line too."""
    before: bytes | None = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    if before is not None:
        yield before, True


def _without_mark(blocks: Iterable[bytes], source: str) -> Iterator[bytes]:
    beginning: bytes | None = b""
    for block in blocks:
        if beginning is None:
            yield block
            continue
        beginning += block
        if len(beginning) >= len(codecs.BOM_UTF8):
            if beginning.startswith(_OTHER_MARKS):
                raise FormatError(
                    source,
                    f"the byte order mark {beginning[:2].hex(' ')} of UTF-16 stands where UTF-8 must be",
                    offset=0,
                )
            yield beginning.removeprefix(codecs.BOM_UTF8)
            beginning = None
    if beginning:
        yield beginning
