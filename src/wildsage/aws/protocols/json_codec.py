"""JSON documents of the json and rest-json protocols, compiled per shape to closures."""

import base64
import binascii
import json
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from wildsage.aws.model import Shape
from wildsage.aws.protocols import timestamps
from wildsage.aws.protocols.base import MismatchError, UnreadableError, late
from wildsage.aws.texts import text

Convert = Callable[[Any], Any]

_logger = logging.getLogger(__name__)
_INTEGER_BITS = {"integer": 32, "short": 16, "byte": 8, "long": 64, "bigInteger": 4096}
_TOKENS = {
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    bytes: "BINARY_VALUE",
    type(None): "NULL_VALUE",
}


def loads(body: bytes) -> Any:
    """Parse a JSON document strictly: UTF-8, no NaN, no repeated key, no lone surrogate, bounded depth.

    Raises
    ------
    UnreadableError
        Saying which rule the document breaks.
    """
    try:
        document = _DECODER.decode(body.decode())
        if b"\\ud" in body or b"\\uD" in body:  # an escape may leave half a character behind
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise UnreadableError("The JSON document is nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"The body is no valid JSON document: {error}") from None
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated[:64]!r} occurs twice in one object")
    return members


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(document: Any) -> bytes:
    """Render a document without blanks."""
    return _ENCODER.encode(document).encode()


class JsonCodec:
    """Parsers and serializers of the shapes of one service, each compiled once."""

    def __init__(self) -> None:
        self._parsers: dict[str, Convert] = {}
        self._serializers: dict[str, Convert] = {}

    def parser(self, shape: Shape) -> Convert:
        """Return a function from a JSON value to the value of `shape`; it raises `MismatchError`."""
        return self._compiled(shape, self._parsers, self._compile_parser)

    def serializer(self, shape: Shape) -> Convert:
        """Return a function from a value of `shape` to a JSON value; it raises TypeError."""
        return self._compiled(shape, self._serializers, self._compile_serializer)

    def dumps(self, document: Any) -> bytes:
        """Render a document."""
        return dumps(document)

    def document(self, shape: Shape) -> Callable[[Any], bytes]:
        """Return a function from a value of `shape` to a document; it raises TypeError."""
        serialize = self.serializer(shape)
        return lambda value: self.dumps(serialize(value))

    def loads(self, body: bytes) -> Any:
        """Parse a document; it raises `UnreadableError`."""
        return loads(body)

    def scalar_parser(self, kind: str) -> Convert:
        """Return the parser of a kind without parts."""
        return _SCALAR_PARSERS[kind]

    def scalar_serializer(self, kind: str) -> Convert:
        """Return the serializer of a kind without parts."""
        return _SCALAR_SERIALIZERS.get(kind, _write_integer)

    def _compiled(
        self, shape: Shape, compiled: dict[str, Convert], compile_: Callable[[Shape], Convert]
    ) -> Convert:
        if shape.kind != "structure":
            return compile_(shape)
        known = compiled.get(shape.name)
        if known is None:
            compiled[shape.name] = late(compiled, shape.name)
            known = compiled[shape.name] = compile_(shape)
        return known

    def _compile_parser(self, shape: Shape) -> Convert:
        match shape.kind:
            case "structure":
                return self._structure_parser(shape)
            case "list":
                return _list_parser(self.parser(shape.element))
            case "map":
                return _map_parser(self.parser(shape.element))
            case "integer" | "long" | "short" | "byte" | "bigInteger":
                return _integer_parser(shape.kind)
            case kind:
                return self.scalar_parser(kind)

    def _structure_parser(self, shape: Shape) -> Convert:
        if shape.traits.get("document"):
            return _as_it_is
        members = {
            member.wire_name(name): (name, self.parser(member)) for name, member in shape.members.items()
        }
        return _structure_parser(shape.name, members)

    def _compile_serializer(self, shape: Shape) -> Convert:
        match shape.kind:
            case "structure":
                return self._structure_serializer(shape)
            case "list":
                element = self.serializer(shape.element)
                return lambda values: [element(value) for value in values]
            case "map":
                return _map_serializer(self.serializer(shape.element))
            case kind:
                return self.scalar_serializer(kind)

    def _structure_serializer(self, shape: Shape) -> Convert:
        if shape.traits.get("document"):
            return _as_it_is
        members = {
            name: (member.wire_name(name), self.serializer(member)) for name, member in shape.members.items()
        }
        return _structure_serializer(shape.name, members)


def _mismatch(value: Any, expected: str) -> MismatchError:
    token = f"{value}_VALUE".upper() if isinstance(value, bool) else _TOKENS.get(type(value), "OTHER_VALUE")
    return _misplaced(value, text("serialization.wrong_type", token=token, expected=expected))


def _misplaced(value: Any, otherwise: str) -> MismatchError:
    """Return the error of an object or array where none is expected; of anything else with its own text."""
    if isinstance(value, dict):
        return MismatchError(text("serialization.unexpected_structure"))
    if isinstance(value, list):
        return MismatchError(text("serialization.unexpected_list"))
    return MismatchError(otherwise)


def _container_expected(value: Any, kind: str) -> MismatchError:
    name = "null_element" if value is None else f"{kind}_expected"
    return _misplaced(value, text(f"serialization.{name}"))


def _structure_parser(name: str, members: Mapping[str, tuple[str, Convert]]) -> Convert:
    def parse(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _container_expected(value, "structure")
        parsed = {}
        for wire_name, item in value.items():
            if item is None:  # null means absent
                continue
            known = members.get(wire_name)
            if known is None:
                # AWS ignores members that its model does not have: clients newer than the model rely on it.
                _logger.warning(
                    "%s: ignored the member %.64r, which the model does not have", name, wire_name
                )
                continue
            try:
                parsed[known[0]] = known[1](item)
            except MismatchError as error:
                raise error.at(wire_name) from None
        return parsed

    return parse


def _list_parser(element: Convert) -> Convert:
    def parse(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _container_expected(value, "list")
        parsed: list[Any] = []
        try:
            for item in value:
                parsed.append(element(item))  # noqa: PERF401 - the index of a failure is the length so far
        except MismatchError as error:
            raise error.at(str(len(parsed) + 1)) from None
        return parsed

    return parse


def _map_parser(element: Convert) -> Convert:
    def parse(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _container_expected(value, "map")
        parsed = {}
        for key, item in value.items():
            try:
                parsed[key] = element(item)
            except MismatchError as error:
                raise error.at(key[:64]) from None
        return parsed

    return parse


def _integer_parser(kind: str) -> Convert:
    bound = 1 << (_INTEGER_BITS[kind] - 1)
    expected = "a Long" if kind == "long" else "an Integer"

    def parse(value: Any) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not -bound <= value < bound:
            raise _mismatch(value, expected)
        return value

    return parse


def _parse_string(value: Any) -> str:
    if type(value) is not str:
        raise _mismatch(value, "a String")
    return value


def _parse_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _mismatch(value, "a Boolean")
    return value


def _parse_float(value: Any) -> float:
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _mismatch(value, "a Float")
    return number


def _parse_blob(value: Any) -> bytes:
    try:
        return base64.b64decode(_parse_string(value), validate=True)
    except (binascii.Error, ValueError):
        raise MismatchError("the value is no base64 text") from None


def _as_it_is(value: Any) -> Any:
    return value


_SCALAR_PARSERS: Mapping[str, Convert] = {
    "string": _parse_string,
    "character": _parse_string,
    "boolean": _parse_boolean,
    "float": _parse_float,
    "double": _parse_float,
    "blob": _parse_blob,
    "timestamp": timestamps.parse_number,
}


def _structure_serializer(name: str, members: Mapping[str, tuple[str, Convert]]) -> Convert:
    def serialize(value: Mapping[str, Any]) -> dict[str, Any]:
        document = {}
        for member, item in value.items():
            if item is None:
                continue
            known = members.get(member)
            if known is None:
                raise TypeError(f"{name} has no member {member!r} in the model")
            document[known[0]] = known[1](item)
        return document

    return serialize


def _map_serializer(element: Convert) -> Convert:
    def serialize(value: Mapping[str, Any]) -> dict[str, Any]:
        return {_write_string(key): element(item) for key, item in value.items()}

    return serialize


def _write_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no string")
    return value


def _write_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no boolean")
    return value


def _write_integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no integer")
    return value


def _write_float(value: Any) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if math.isfinite(value):
        return value
    # JSON has no such numbers; the protocols of AWS write their names.
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _write_blob(value: bytes) -> str:
    return base64.b64encode(value).decode()


_SCALAR_SERIALIZERS: Mapping[str, Convert] = {
    "string": _write_string,
    "character": _write_string,
    "boolean": _write_boolean,
    "float": _write_float,
    "double": _write_float,
    "blob": _write_blob,
    "timestamp": timestamps.to_epoch,
}
