"""The checksums of S3, fed piece by piece.

CRC32C and CRC64NVME are not in Python's library: `wildsage.store.lane_crc` computes them.
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from wildsage.store.polynomials import multiply, power_of_x

_POLYNOMIALS = {  # bit-reflected; all three start from and end with an exclusive or of all ones
    "CRC32": (32, 0xEDB88320),
    "CRC32C": (32, 0x82F63B78),
    "CRC64NVME": (64, 0x9A6C9329AC4BC9B5),
}

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")
FULL_OBJECT_ALGORITHMS = frozenset(_POLYNOMIALS)
"""Those whose value for a whole can be had from the values of its parts."""

IN_LANES = FULL_OBJECT_ALGORITHMS - {"CRC32"}
"""Those of `wildsage.store.lane_crc`, which takes few bytes at a time for the price of many."""


class Digest(Protocol):
    """A running checksum, like those of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of everything so far."""
        ...


def new_digest(algorithm: str) -> Digest:
    """Start a checksum.

    Raises
    ------
    ValueError
        If the algorithm is not one of `ALGORITHMS`.
    """
    if algorithm == "CRC32":
        return _Crc32()
    if algorithm in _POLYNOMIALS:
        # It brings numpy: an eighth of a second that most servers never need.
        lanes = import_module("wildsage.store.lane_crc")
        return cast("Digest", lanes.LaneCrc(*_POLYNOMIALS[algorithm]))
    if algorithm in ALGORITHMS:
        return hashlib.new(algorithm.lower(), usedforsecurity=False)
    raise ValueError(f"{algorithm!r} is not a checksum algorithm of S3: use one of {', '.join(ALGORITHMS)}")


def combine_checksums(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return the checksum of a whole, base64, from the (checksum, size) of its parts in order.

    Only for `FULL_OBJECT_ALGORITHMS`.
    """
    width, polynomial = _POLYNOMIALS[algorithm]
    total = 0
    for text, size in parts:
        value = int.from_bytes(base64.b64decode(text))
        total = multiply(total, power_of_x(8 * size, width, polynomial), width, polynomial) ^ value
    return base64.b64encode(total.to_bytes(width // 8)).decode()


def composite_checksum(algorithm: str, parts: Sequence[str]) -> str:
    """Return the checksum of the parts' checksums, as S3 gives it for multipart uploads: ``BASE64-N``."""
    digest = new_digest(algorithm)
    for text in parts:
        digest.update(base64.b64decode(text))
    return f"{base64.b64encode(digest.digest()).decode()}-{len(parts)}"


def encoded(digests: Mapping[str, Digest]) -> dict[str, str]:
    """Return checksums in the form of the wire."""
    return {name: base64.b64encode(digest.digest()).decode() for name, digest in digests.items()}


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4)
