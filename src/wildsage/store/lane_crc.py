"""CRC32C and CRC64NVME, which Python's library does not have, with numpy.

The data is cut into lanes that advance together, two bytes a step through a table of 65,536 entries, and the lanes'
results are combined by multiplication with powers of x in GF(2). About 300 MB/s, mostly outside the interpreter
lock. The module of its own spares a server numpy, an eighth of a second of its start, until somebody asks for them.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.store.polynomials import multiply, power_of_x

Words = NDArray[np.uint64]

_LANE = 256  # bytes of one lane
_MOST_LANES = 4096


class LaneCrc:
    """A bit-reflected CRC of 32 or 64 bits."""

    def __init__(self, width: int, polynomial: int) -> None:
        self._width = width
        self._polynomial = polynomial
        self._ones = (1 << width) - 1
        self._state = self._ones

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""
        block = _LANE * _MOST_LANES
        view = memoryview(data)
        for start in range(0, len(view), block):
            self._state = self._advance(view[start : start + block])

    def digest(self) -> bytes:
        """Return the checksum of everything so far."""
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
    factor = power_of_x(8 * length, width, polynomial)
    tables = []
    for position in range(width // 8):
        table: NDArray[Any] = np.zeros(256, np.uint64)
        for bit in range(8):
            image = np.uint64(multiply(1 << (8 * position + bit), factor, width, polynomial))
            table[1 << bit : 2 << bit] = table[: 1 << bit] ^ image
        tables.append(table)
    return tables
