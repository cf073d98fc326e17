"""CBOR documents (RFC 8949) of the rpc-v2-cbor protocol: the part of CBOR that the protocol uses, and no more.

What a document may not have: tags other than 1 (epoch seconds), keys that are no text, repeated keys, simple
values other than booleans and nulls, bytes after its end, more than 100 levels.
"""

from collections.abc import Callable, Mapping, Sequence
from struct import pack, unpack
from typing import Any, NamedTuple

from wildsage.aws.protocols import timestamps
from wildsage.aws.protocols.base import MismatchError, UnreadableError
from wildsage.aws.protocols.json_codec import Convert, JsonCodec

_DEEPEST = 100
_INDEFINITE = 31
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG = range(7)
_EPOCH_SECONDS = 1
_SIMPLE: Mapping[int, bool | None] = {20: False, 21: True, 22: None, 23: None}  # 23 is "undefined"
_FLOATS: Mapping[int, tuple[str, int]] = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}


class Timestamp(NamedTuple):
    """A number of seconds with the tag that makes it a time."""

    seconds: int | float


def loads(body: bytes) -> Any:
    """Parse a document strictly.

    Nothing is allocated for what the document only declares: a length is held against the bytes that are left.

    Raises
    ------
    UnreadableError
        Saying which rule the document breaks.
    """
    reader = _Reader(body)
    try:
        value = reader.item(_DEEPEST)
        reader.end()
    except ValueError as error:
        raise UnreadableError(f"The body is no valid CBOR document: {error}") from None
    return value


class _Reader:
    """Reads data items one after the other; it raises ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._readers: Sequence[Callable[[int, int], Any]] = (
            self._unsigned, self._negative, self._bytes, self._text, self._list, self._map, self._tagged, self._simple,
        )  # fmt: skip

    def end(self) -> None:
        """See to it that nothing is left."""
        if left := len(self._data) - self._position:
            raise ValueError(f"{left} bytes follow its end")

    def item(self, depth: int) -> Any:
        """Read an item of at most `depth` levels."""
        if depth == 0:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        initial = self._take(1)[0]
        return self._readers[initial >> 5](initial & 31, depth)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            left = len(self._data) - self._position
            raise ValueError(f"a value of {size} bytes is declared where {left} are left")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError(f"{info} is no length of a number")
        return int.from_bytes(self._take(1 << (info - 24)))

    def _unsigned(self, info: int, _depth: int) -> int:
        return self._argument(info)

    def _negative(self, info: int, _depth: int) -> int:
        return -1 - self._argument(info)

    def _bytes(self, info: int, _depth: int) -> bytes:
        return b"".join(self._strings(_BYTES, info))

    def _text(self, info: int, _depth: int) -> str:
        return "".join([part.decode() for part in self._strings(_TEXT, info)])

    def _strings(self, major: int, info: int) -> list[bytes]:
        if info != _INDEFINITE:
            return [self._take(self._argument(info))]
        parts = []
        while not self._at_break():
            initial = self._take(1)[0]
            if initial >> 5 != major:
                raise ValueError("a string in parts has a part that is no string of its kind")
            parts.append(self._take(self._argument(initial & 31)))
        return parts

    def _at_break(self) -> bool:
        if self._data[self._position : self._position + 1] != b"\xff":
            return False
        self._position += 1
        return True

    def _count(self, info: int, smallest: int) -> int:
        count = self._argument(info)
        left = len(self._data) - self._position
        if count * smallest > left:
            raise ValueError(f"{count} elements are declared where {left} bytes are left")
        return count

    def _list(self, info: int, depth: int) -> list[Any]:
        if info != _INDEFINITE:
            return [self.item(depth - 1) for _ in range(self._count(info, 1))]
        items = []
        while not self._at_break():
            items.append(self.item(depth - 1))
        return items

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        if info != _INDEFINITE:
            for _ in range(self._count(info, 2)):
                self._entry(items, depth)
            return items
        while not self._at_break():
            self._entry(items, depth)
        return items

    def _entry(self, items: dict[str, Any], depth: int) -> None:
        key = self.item(depth - 1)
        if type(key) is not str:
            raise ValueError(f"the key {key!r:.64} is no text")
        if key in items:
            raise ValueError(f"the key {key[:64]!r} occurs twice in one map")
        items[key] = self.item(depth - 1)

    def _tagged(self, info: int, depth: int) -> Timestamp:
        tag = self._argument(info)
        if tag != _EPOCH_SECONDS:
            raise ValueError(f"tag {tag} is not known: the only one is {_EPOCH_SECONDS}, for timestamps")
        seconds = self.item(depth - 1)
        if type(seconds) not in (int, float):
            raise ValueError(f"{seconds!r:.64} is no number of seconds")
        return Timestamp(seconds)

    def _simple(self, info: int, _depth: int) -> bool | float | None:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info not in _FLOATS:
            raise ValueError(
                "there is a break outside of a list" if info == _INDEFINITE else f"simple value {info}"
            )
        form, size = _FLOATS[info]
        number: float = unpack(form, self._take(size))[0]
        return number


def dumps(value: Any) -> bytes:
    """Render a document with definite lengths and double floats.

    Raises
    ------
    TypeError, ValueError
        If a value has no form here, or an integer has more than 64 bits.
    """
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _write(out: bytearray, value: Any) -> None:
    match value:
        case None | bool():
            out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
        case int():
            out += _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case float():
            out += pack(">Bd", 0xFB, value)
        case str():
            encoded = value.encode()
            out += _head(_TEXT, len(encoded)) + encoded
        case bytes() | bytearray():
            out += _head(_BYTES, len(value))
            out += value
        case _:
            _write_parts(out, value)


def _write_parts(out: bytearray, value: Any) -> None:
    match value:
        case Timestamp(seconds):
            out += _head(_TAG, _EPOCH_SECONDS)
            _write(out, seconds)
        case list():
            out += _head(_LIST, len(value))
            for item in value:
                _write(out, item)
        case dict():
            out += _head(_MAP, len(value))
            for key, item in value.items():
                _write(out, key)
                _write(out, item)
        case _:
            raise TypeError(f"{value!r:.64} has no form in CBOR")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes(((major << 5) | argument,))
    size = next((n for n in range(4) if argument < 1 << (8 << n)), None)
    if size is None:
        raise ValueError(f"an integer of {argument.bit_length()} bits has no form in CBOR: 64 are the most")
    return bytes(((major << 5) | (24 + size),)) + argument.to_bytes(1 << size)


class CborCodec(JsonCodec):
    """Parsers and serializers of the shapes of one service: JSON's, but blobs, times and floats are themselves."""

    def dumps(self, document: Any) -> bytes:
        """Render a document."""
        return dumps(document)

    def loads(self, body: bytes) -> Any:
        """Parse a document."""
        return loads(body)

    def scalar_parser(self, kind: str) -> Convert:
        """Return the parser of a kind without parts."""
        return _SCALAR_PARSERS.get(kind) or super().scalar_parser(kind)

    def scalar_serializer(self, kind: str) -> Convert:
        """Return the serializer of a kind without parts."""
        return _SCALAR_SERIALIZERS.get(kind) or super().scalar_serializer(kind)


def _parse_blob(value: Any) -> bytes:
    if type(value) is not bytes:
        raise MismatchError("a blob is a byte string")
    return value


def _parse_timestamp(value: Any) -> float:
    if type(value) is not Timestamp:
        raise MismatchError(
            f"{value!r:.64} is no timestamp: give the seconds since 1970-01-01T00:00:00Z with tag 1"
        )
    return timestamps.parse_number(value.seconds)


def _write_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _write_blob(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"{value!r:.64} is no blob")
    return bytes(value)


_SCALAR_PARSERS: Mapping[str, Convert] = {"blob": _parse_blob, "timestamp": _parse_timestamp}
_SCALAR_SERIALIZERS: Mapping[str, Convert] = {
    "blob": _write_blob,
    "timestamp": lambda value: Timestamp(timestamps.to_epoch(value)),
    "float": _write_float,
    "double": _write_float,
}
