"""Draws groups of small grey images as one PNG, with nothing but numpy and zlib."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIDE = 8  # pixels of a digit
_SCALE = 8
_GAP = 6
_EXAMPLES = 6
_DARKEST = 16.0  # grey levels of the data


def write_picture(
    path: Path, centroids: NDArray[np.float32], digits: NDArray[np.float32], clusters: NDArray[np.int_]
) -> None:
    """Write a PNG: one column for each centroid, and below it digits of its group.

    Parameters
    ----------
    centroids
        (k, 64), grey levels from 0 to 16.
    digits
        (n, 64), likewise.
    clusters
        (n,): which centroid each digit belongs to.
    """
    cell = _SIDE * _SCALE + _GAP
    canvas = np.full(((1 + _EXAMPLES) * cell + _GAP * 3, len(centroids) * cell + _GAP), 255, np.uint8)
    for column, centroid in enumerate(centroids):
        left = _GAP + column * cell
        _place(canvas, _GAP, left, centroid)
        for row, digit in enumerate(digits[clusters == column][:_EXAMPLES]):
            _place(canvas, _GAP * 3 + (1 + row) * cell, left, digit)
    path.write_bytes(_png(canvas))


def _place(canvas: NDArray[np.uint8], top: int, left: int, image: NDArray[np.float32]) -> None:
    grey = 255 - np.clip(image.reshape(_SIDE, _SIDE) / _DARKEST * 255, 0, 255).astype(np.uint8)
    tile = np.kron(grey, np.ones((_SCALE, _SCALE), np.uint8))
    canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile


def _png(grey: NDArray[np.uint8]) -> bytes:
    """Encode (height, width) grey values (PNG specification, colour type 0, 8 bits)."""
    height, width = grey.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), grey]).tobytes()  # filter type 0 before each line

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
