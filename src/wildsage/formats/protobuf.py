"""Records of the built-in algorithms (``aialgs.data.Record``) to values and back, one at a time.

`wildsage.formats.recordio_protobuf` reads whole files of them as matrices.

| message | fields |
|---|---|
| Float32Tensor, Float64Tensor, Int32Tensor | 1 values, 2 keys (u64), 3 shape (u64); all packed or not |
| Bytes | 1 repeated bytes, 2 content type |
| Value | one of 2 float32, 3 float64, 7 int32, 9 bytes |
| Record | 1 features and 2 label: map of string to Value; 3 uid; 4 metadata; 5 configuration |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import wire
from wildsage.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, MalformedError

FEATURES, LABEL, UID, METADATA, CONFIGURATION = 1, 2, 3, 4, 5
KEY, VALUE = 1, 2
FLOAT32, FLOAT64, INT32, BYTES = 2, 3, 7, 9
TENSOR_VALUES, TENSOR_KEYS, TENSOR_SHAPE = 1, 2, 3
BYTES_VALUE, BYTES_TYPE = 1, 2

_FLOATS: Final[Mapping[int, tuple[np.dtype[Any], int]]] = {
    FLOAT32: (np.dtype("<f4"), FIXED32),
    FLOAT64: (np.dtype("<f8"), FIXED64),
}
_NUMBER_OF_DTYPE: Final = {
    np.dtype("float32"): FLOAT32,
    np.dtype("float64"): FLOAT64,
    np.dtype("int32"): INT32,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers of one record.

    Attributes
    ----------
    values
        float32, float64 or int32, one dimension.
    keys
        Position of each value in the flattened tensor; None where all values are there in order (dense), and
        where there are no values.
    shape
        Extents; required with `keys`, often absent without.
    """

    values: NDArray[Any]
    keys: NDArray[np.uint64] | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bytes:
    """Byte strings of one record, an image or a text each, and what they are."""

    values: tuple[bytes, ...] = ()
    content_type: str = ""


Value = Tensor | Bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One record: named inputs, named labels (or predictions), and what identifies it."""

    features: Mapping[str, Value] = field(default_factory=dict)
    label: Mapping[str, Value] = field(default_factory=dict)
    uid: str = ""
    metadata: str = ""
    configuration: str = ""


def decode_record(payload: bytes | memoryview) -> Record:
    """Decode one record. Unknown fields are skipped, as protobuf demands.

    Raises
    ------
    MalformedError
        If the bytes are no such message.
    """
    data = memoryview(payload)
    maps: dict[int, dict[str, Value]] = {FEATURES: {}, LABEL: {}}
    texts = {UID: "", METADATA: "", CONFIGURATION: ""}
    for item in wire.fields(data, 0, len(data)):
        if item.kind != LENGTH:
            continue
        if item.number in maps:
            key, value = _decode_entry(data, item)
            maps[item.number][key] = value
        elif item.number in texts:
            texts[item.number] = _text(data, item)
    return Record(maps[FEATURES], maps[LABEL], texts[UID], texts[METADATA], texts[CONFIGURATION])


def encode_record(record: Record) -> bytes:
    """Encode one record.

    Raises
    ------
    ValueError
        If a tensor is of another type than float32, float64 or int32.
    """
    parts = [
        wire.encode_field(number, _encode_entry(key, value))
        for number, values in ((FEATURES, record.features), (LABEL, record.label))
        for key, value in values.items()
    ]
    for number, text in (
        (UID, record.uid),
        (METADATA, record.metadata),
        (CONFIGURATION, record.configuration),
    ):
        if text:
            parts.append(wire.encode_field(number, text.encode()))
    return b"".join(parts)


def _text(data: memoryview, item: Field) -> str:
    try:
        return bytes(data[item.begin : item.end]).decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"field {item.number} is not UTF-8") from error


def _decode_entry(data: memoryview, entry: Field) -> tuple[str, Value]:
    key = ""
    value: Value = Bytes()
    for item in wire.fields(data, entry.begin, entry.end):
        if item.number == KEY and item.kind == LENGTH:
            key = _text(data, item)
        elif item.number == VALUE and item.kind == LENGTH:
            value = _decode_value(data, item)
    return key, value


def _decode_value(data: memoryview, message: Field) -> Value:
    value: Value = Bytes()
    for item in wire.fields(data, message.begin, message.end):
        if item.kind != LENGTH:
            continue
        if item.number in {FLOAT32, FLOAT64, INT32}:
            value = _decode_tensor(data, item)
        elif item.number == BYTES:
            value = _decode_bytes(data, item)
    return value


def _decode_bytes(data: memoryview, message: Field) -> Bytes:
    values = []
    content_type = ""
    for item in wire.fields(data, message.begin, message.end):
        if item.number == BYTES_VALUE and item.kind == LENGTH:
            values.append(bytes(data[item.begin : item.end]))
        elif item.number == BYTES_TYPE and item.kind == LENGTH:
            content_type = _text(data, item)
    return Bytes(tuple(values), content_type)


def _decode_tensor(data: memoryview, message: Field) -> Tensor:
    values: list[NDArray[Any]] = []
    keys: list[NDArray[np.uint64]] = []
    shape: list[NDArray[np.uint64]] = []
    for item in wire.fields(data, message.begin, message.end):
        if item.number == TENSOR_VALUES:
            values.append(_decode_values(data, item, message.number))
        elif item.number == TENSOR_KEYS:
            keys.append(_decode_integers(data, item))
        elif item.number == TENSOR_SHAPE:
            shape.append(_decode_integers(data, item))
    dtype: np.dtype[Any] = np.dtype(np.int32) if message.number == INT32 else _FLOATS[message.number][0]
    return Tensor(
        _joined(values, dtype),
        _joined(keys, np.dtype(np.uint64)) if keys else None,
        tuple(int(extent) for part in shape for extent in part),
    )


def _joined(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype), *parts])


def _decode_values(data: memoryview, item: Field, tensor: int) -> NDArray[Any]:
    if tensor == INT32:
        return _decode_integers(data, item).view(np.int64).astype(np.int32)
    dtype, single = _FLOATS[tensor]
    if item.kind == single:
        return np.array([wire.read_fixed(data, item)], dtype)
    if item.kind != LENGTH or (item.end - item.begin) % dtype.itemsize:
        raise MalformedError(
            f"values of {item.end - item.begin} bytes are no run of {dtype.itemsize}-byte numbers"
        )
    return np.frombuffer(data[item.begin : item.end], dtype)


def _decode_integers(data: memoryview, item: Field) -> NDArray[np.uint64]:
    if item.kind == LENGTH:
        return wire.unpack_varints(data[item.begin : item.end])
    if item.kind == VARINT:
        return np.array([wire.read_varint(data, item.begin, item.end)[0]], np.uint64)
    raise MalformedError(f"wire type {item.kind} for a whole number")


def _encode_entry(key: str, value: Value) -> bytes:
    if isinstance(value, Tensor):
        message = wire.encode_field(tensor_number(value.values.dtype), _encode_tensor(value))
    else:
        content = b"".join(wire.encode_field(BYTES_VALUE, item) for item in value.values)
        if value.content_type:
            content += wire.encode_field(BYTES_TYPE, value.content_type.encode())
        message = wire.encode_field(BYTES, content)
    return wire.encode_field(KEY, key.encode()) + wire.encode_field(VALUE, message)


def tensor_number(dtype: np.dtype[Any]) -> int:
    """Return the field of ``Value`` that holds numbers of a type.

    Raises
    ------
    ValueError
        If there is none.
    """
    number = _NUMBER_OF_DTYPE.get(dtype)
    if number is None:
        raise ValueError(f"a record holds float32, float64 or int32 numbers, not {dtype}")
    return number


def _encode_tensor(tensor: Tensor) -> bytes:
    if tensor.values.dtype == np.int32:
        content, _ = wire.pack_varints(tensor.values)
    else:
        content = tensor.values.astype(tensor.values.dtype.newbyteorder("<"), copy=False).tobytes()
    # A field of no numbers is left out, as the protobuf library does.
    parts = [wire.encode_field(TENSOR_VALUES, content)] if content else []
    if tensor.keys is not None and tensor.keys.size:
        parts.append(wire.encode_field(TENSOR_KEYS, wire.pack_varints(tensor.keys)[0]))
    if tensor.shape:
        parts.append(wire.encode_field(TENSOR_SHAPE, b"".join(map(wire.encode_varint, tensor.shape))))
    return b"".join(parts)
