"""Where the numbers stand in many protobuf records of one buffer, found for all of them at once.

Nearly every writer lays a record out alike: the feature ``values``, perhaps a label ``values``, then the
texts. The records are walked in step, each step one operation on arrays: a tag is compared, a length is read,
a position moves. Records with another layout are told by a mask and left to `wildsage.formats.protobuf`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import wire
from wildsage.formats.protobuf import (
    CONFIGURATION,
    FEATURES,
    FLOAT32,
    FLOAT64,
    INT32,
    KEY,
    LABEL,
    METADATA,
    TENSOR_KEYS,
    TENSOR_SHAPE,
    TENSOR_VALUES,
    UID,
    VALUE,
)
from wildsage.formats.rows import as_float32
from wildsage.formats.wire import LENGTH

_Positions = NDArray[np.int64]
_DTYPES: Final[Mapping[int, np.dtype[Any]]] = {
    FLOAT32: np.dtype("<f4"),
    FLOAT64: np.dtype("<f8"),
    INT32: np.dtype("i1"),
}
"""Element types by the tensor's field; whole numbers have any number of bytes."""
_LONGEST_LENGTH = 5
"""Digits of a length that are read here."""


def _tag(number: int) -> int:
    return number << 3 | LENGTH


_KEY_VALUES = wire.encode_field(KEY, b"values")


@dataclass(frozen=True, slots=True)
class Spans:
    """Positions (n,) of one field in n records; where it is not there, both are equal."""

    begins: _Positions
    ends: _Positions

    @property
    def lengths(self) -> _Positions:
        """Bytes in each record."""
        return self.ends - self.begins

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(self.begins[rows], self.ends[rows])

    def joined(self, buffer: memoryview) -> bytes:
        """Put the field's bytes of all records behind each other."""
        first = int(self.begins[0])
        # Bytes, because the garbage collector counts every slice of a memoryview.
        data = bytes(buffer[first : int(self.ends[-1])])
        pairs = zip((self.begins - first).tolist(), (self.ends - first).tolist(), strict=True)
        return b"".join([data[begin:end] for begin, end in pairs])


@dataclass(frozen=True, slots=True)
class Tensors:
    """A tensor of n records, all of the type that `number` names (the field of ``Value``)."""

    number: int
    values: Spans
    keys: Spans
    shape: Spans

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the values; bytes for whole numbers, whose length varies."""
        return _DTYPES[self.number]

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(self.number, self.values[rows], self.keys[rows], self.shape[rows])

    def numbers(self, buffer: memoryview) -> tuple[NDArray[np.float32], _Positions]:
        """Return all values, and (n,) how many each record has.

        Raises
        ------
        MalformedError
            If whole numbers are cut off.
        """
        data = self.values.joined(buffer)
        if self.number == INT32:
            whole, counts = wire.unpack_runs(data, self.values.lengths)
            return whole.view(np.int64).astype(np.int32).astype(np.float32), counts
        counts = self.values.lengths // self.dtype.itemsize
        return as_float32(np.frombuffer(data, self.dtype)), counts


@dataclass(frozen=True, slots=True)
class Located:
    """What was found in the leading `count` records, which all have the first one's layout and types."""

    count: int
    feature: Tensors
    label: Tensors | None


def locate(buffer: memoryview, begins: _Positions, ends: _Positions) -> Located | None:
    """Find the tensors of records whose payloads are at the positions given; None if the first is laid out else."""
    walk = _Walk(np.frombuffer(buffer, np.uint8), begins, ends)
    feature = walk.entry(FEATURES, ends)
    if feature is None:
        return None
    label = None
    labelled = walk.at_tag(LABEL, ends)
    walk.fits &= labelled == labelled[0]
    if labelled[0]:
        label = walk.entry(LABEL, ends)
    for number in (UID, METADATA, CONFIGURATION):
        walk.optional(number, ends)
    walk.fits &= walk.at == ends
    if (labelled[0] and label is None) or not walk.fits[0]:
        return None
    count = len(walk.fits) if walk.fits.all() else int(walk.fits.argmin())
    leading = slice(count)
    return Located(count, feature[leading], label[leading] if label else None)


def hold_tensors_only(buffer: memoryview, begins: _Positions, ends: _Positions) -> bool:
    """Tell whether all records have features and labels, in this order, and nothing behind them."""
    walk = _Walk(np.frombuffer(buffer, np.uint8), begins, ends)
    for number in (FEATURES, LABEL):
        while walk.fits.all() and walk.at_tag(number, ends).any():
            walk.optional(number, ends)
    return bool((walk.fits & (walk.at == ends)).all())


class _Walk:
    """Positions in n messages, moved in step; `fits` tells which of them had what was asked for so far."""

    def __init__(self, raw: NDArray[np.uint8], begins: _Positions, ends: _Positions) -> None:
        self._raw = raw
        self._last = len(raw) - 1
        self.at = begins
        self.fits = begins < ends

    def entry(self, number: int, within: _Positions) -> Tensors | None:
        """Walk through a map's entry ``values`` that holds a tensor; None if the first record's is none."""
        entry = self._message(number, within)
        self._literal(_KEY_VALUES)
        value = self._message(VALUE, entry)
        kind = int(self._byte(self.at)[0]) >> 3
        if not self.fits[0] or kind not in _DTYPES:
            return None
        tensor = self._message(kind, value)
        parts = [self.optional(part, tensor) for part in (TENSOR_VALUES, TENSOR_KEYS, TENSOR_SHAPE)]
        self.fits &= (self.at == tensor) & (tensor == value) & (value == entry)
        self.fits &= parts[0].lengths % _DTYPES[kind].itemsize == 0
        return Tensors(kind, *parts)

    def at_tag(self, number: int, within: _Positions) -> NDArray[np.bool_]:
        """Tell which records go on with a field."""
        there: NDArray[np.bool_] = (self.at < within) & (self._byte(self.at) == _tag(number))
        return there

    def optional(self, number: int, within: _Positions) -> Spans:
        """Step over a field where it is there."""
        there = self.at_tag(number, within)
        if not there.any():
            return Spans(self.at, self.at)
        begins, length = self._length()
        begins = np.where(there, begins, self.at)
        self.at = np.where(there, begins + length, self.at)
        self.fits &= self.at <= within
        return Spans(begins, self.at)

    def _message(self, number: int, within: _Positions) -> _Positions:
        """Step into a field: where it ends."""
        self.fits &= self.at_tag(number, within)
        self.at, length = self._length()
        self.fits &= self.at + length <= within
        return self.at + length

    def _length(self) -> tuple[_Positions, _Positions]:
        """Read the length behind a tag: the position behind it, and the length."""
        at = self.at + 1
        byte = self._byte(at)
        length = (byte & 0x7F).astype(np.int64)
        more = byte >= 0x80
        for digit in range(1, _LONGEST_LENGTH):
            if not more.any():
                break
            at = at + more
            byte = np.where(more, self._byte(at), np.uint8(0))
            length |= (byte & 0x7F).astype(np.int64) << 7 * digit
            more = byte >= 0x80
        self.fits &= ~more
        return at + 1, length

    def _literal(self, text: bytes) -> None:
        for byte in text:
            self.fits &= self._byte(self.at) == byte
            self.at = self.at + 1

    def _byte(self, positions: _Positions) -> NDArray[np.uint8]:
        # A record that does not fit may point anywhere.
        return self._raw[np.minimum(positions, self._last)]
