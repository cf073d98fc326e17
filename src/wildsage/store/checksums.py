"""The checksums of S3, fed piece by piece.

CRC32C and CRC64NVME are not in Python's library. `_Crc` computes them with numpy: the data is cut into
lanes that advance together, two bytes a step through a table of 65,536 entries, and the lanes' results
are combined by multiplication with powers of x in GF(2). About 300 MB/s, mostly outside the interpreter lock.
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_LANE = 256  # bytes of one lane
_MOST_LANES = 4096
_POLYNOMIALS = {  # bit-reflected; all three start from and end with an exclusive or of all ones
    "CRC32": (32, 0xEDB88320),
    "CRC32C": (32, 0x82F63B78),
    "CRC64NVME": (64, 0x9A6C9329AC4BC9B5),
}

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")
FULL_OBJECT_ALGORITHMS = frozenset(_POLYNOMIALS)
"""Those whose value for a whole can be had from the values of its parts."""


class Digest(Protocol):
    """A running checksum, like those of `hashlib`."""

    def update(self, data: bytes, /) -> None:
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
        return _Crc(*_POLYNOMIALS[algorithm])
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
        total = _multiply(total, _power_of_x(8 * size, width, polynomial), width, polynomial) ^ value
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

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4)


class _Crc:
    """A bit-reflected CRC of 32 or 64 bits."""

    def __init__(self, width: int, polynomial: int) -> None:
        self._width = width
        self._polynomial = polynomial
        self._ones = (1 << width) - 1
        self._state = self._ones

    def update(self, data: bytes, /) -> None:
        block = _LANE * _MOST_LANES
        view = memoryview(data)
        for start in range(0, len(view), block):
            self._state = self._advance(view[start : start + block])

    def digest(self) -> bytes:
        return (self._state ^ self._ones).to_bytes(self._width // 8)

    def _advance(self, data: memoryview) -> int:
        """Return the state after `data`, which fills at most all lanes."""
        bytes_of_state = self._width // 8
        if len(data) < bytes_of_state:
            return self._advance_bytewise(data)
        # A state and the data it meets enter the division alike, so the state goes into the first bytes;
        # zeros before them leave a state of zero unchanged, so they pad the lanes.
        lanes = 1 << max(0, (len(data) - 1) // _LANE).bit_length()
        padded = np.zeros(lanes * _LANE, np.uint8)
        padded[-len(data) :] = np.frombuffer(data, np.uint8)
        first = len(padded) - len(data)
        state = np.frombuffer(self._state.to_bytes(bytes_of_state, "little"), np.uint8)
        padded[first : first + bytes_of_state] ^= state
        columns = np.ascontiguousarray(padded.view("<u2").reshape(lanes, _LANE // 2).T)
        return self._join(self._run_lanes(columns))

    def _run_lanes(self, columns: NDArray[np.uint16]) -> Words:
        table = _wide_table(self._polynomial)
        states = np.zeros(columns.shape[1], np.uint64)
        for column in columns:
            # The conversion to 16 bits keeps the low ones.
            index = states.astype(np.uint16) ^ column
            np.right_shift(states, np.uint64(16), out=states)
            np.bitwise_xor(states, table[index], out=states)
        return states

    def _join(self, states: Words) -> int:
        """Combine the lanes' states pair by pair."""
        length = _LANE
        while len(states) > 1:
            shifted = np.zeros(len(states) // 2, np.uint64)
            tables = _shift_tables(length, self._width, self._polynomial)
            for position, table in enumerate(tables):
                shifted ^= table[(states[::2] >> np.uint64(8 * position)) & np.uint64(255)]
            states = shifted ^ states[1::2]
            length *= 2
        return int(states[0])

    def _advance_bytewise(self, data: memoryview) -> int:
        state = self._state
        for byte in data:
            state ^= byte
            for _ in range(8):
                state = (state >> 1) ^ (self._polynomial if state & 1 else 0)
        return state


def _multiply(left: int, right: int, width: int, polynomial: int) -> int:
    """Multiply two bit-reflected polynomials modulo a third (the highest bit stands for x to the 0)."""
    product = 0
    bit = 1 << (width - 1)
    while left:
        if left & bit:
            product ^= right
            left ^= bit
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
        bit >>= 1
    return product


def _power_of_x(exponent: int, width: int, polynomial: int) -> int:
    result = 1 << (width - 1)
    factor = result >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(result, factor, width, polynomial)
        factor = _multiply(factor, factor, width, polynomial)
        exponent >>= 1
    return result


@cache
def _wide_table(polynomial: int) -> Words:
    """What 16 bits of input do to a state: entry i is i after 16 steps of the division."""
    table: Words = np.arange(1 << 16, dtype=np.uint64)
    for _ in range(16):
        table = (table >> np.uint64(1)) ^ np.where(
            (table & np.uint64(1)).astype(bool), np.uint64(polynomial), np.uint64(0)
        )
    return table


@cache
def _shift_tables(length: int, width: int, polynomial: int) -> list[Words]:
    """For each byte of a state: what it becomes when `length` zero bytes follow."""
    factor = _power_of_x(8 * length, width, polynomial)
    tables = []
    for position in range(width // 8):
        table: NDArray[Any] = np.zeros(256, np.uint64)
        for bit in range(8):
            image = np.uint64(_multiply(1 << (8 * position + bit), factor, width, polynomial))
            table[1 << bit : 2 << bit] = table[: 1 << bit] ^ image
        tables.append(table)
    return tables
