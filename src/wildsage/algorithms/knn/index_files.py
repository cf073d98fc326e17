"""The file of an index, as FAISS writes it. Flat ones are read and written without FAISS.

A flat index is a header, a count, and the rows in float32, little-endian::

    4 bytes  "IxF2" (L2) or "IxFI" (inner product)
    int32    columns d
    int64    rows n
    int64    1048576, twice: unused
    byte     1: trained
    int32    1 (L2) or 0 (inner product)
    uint64   n * d
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from wildsage.algorithms.knn.flat import FlatIndex, Matrix, Metric
from wildsage.algorithms.knn.inverted import InvertedIndex, faiss
from wildsage.toolkit.errors import UserError

_HEADER: Final = struct.Struct("<4siqqq?iQ")
_UNUSED = 1 << 20
_CODES: Final[dict[bytes, Metric]] = {b"IxF2": "L2", b"IxFI": "INNER_PRODUCT"}


def write_flat(stream: BinaryIO, vectors: Matrix, metric: Metric) -> None:
    """Write a flat index of rows, (n, d)."""
    count, width = vectors.shape
    code = next(code for code, name in _CODES.items() if name == metric)
    stream.write(_HEADER.pack(code, width, count, _UNUSED, _UNUSED, True, int(metric == "L2"), vectors.size))
    stream.write(np.ascontiguousarray(vectors, "<f4").data)


def write_faiss(path: Path, index: Any) -> None:
    """Write an index of FAISS."""
    faiss("the index").write_index(index, str(path))


def read_index(path: Path, nprobe: int | None = None) -> FlatIndex | InvertedIndex:
    """Read an index, flat or of FAISS.

    Parameters
    ----------
    nprobe
        Lists to search; None: as many as the file says.

    Raises
    ------
    UserError
        If it is none, or empty.
    AlgorithmError
        If only FAISS can read it, which is not installed.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEADER.size)
    if head[:4] in _CODES:
        return _read_flat(path, head)
    library = faiss(f"the index in {path.name}")
    try:
        index = InvertedIndex(library.read_index(str(path)), nprobe)
    except RuntimeError as error:
        raise UserError(f"{path.name} holds no index of FAISS") from error
    if index.count == 0:
        raise UserError(f"{path.name} holds an index without rows")
    return index


def _read_flat(path: Path, head: bytes) -> FlatIndex:
    size = path.stat().st_size
    if size < _HEADER.size:
        raise UserError(f"{path.name} ends within its header: {size} bytes")
    code, width, count, _, _, _, _, numbers = _HEADER.unpack(head)
    if count < 1 or width < 1 or numbers != count * width or size != _HEADER.size + 4 * numbers:
        raise UserError(
            f"{path.name} says that it has {count} rows of {width} numbers, but has {size} bytes: it is damaged"
        )
    vectors = np.memmap(path, "<f4", "r", offset=_HEADER.size, shape=(count, width))
    return FlatIndex(vectors, _CODES[code])
