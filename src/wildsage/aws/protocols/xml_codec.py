"""XML documents of the rest-xml and query protocols, compiled per shape to closures."""

from collections.abc import Callable, Mapping
from typing import Any

from wildsage.aws.model import Shape
from wildsage.aws.protocols import text_codec
from wildsage.aws.protocols.base import MismatchError, late
from wildsage.aws.protocols.timestamps import ISO_8601
from wildsage.aws.protocols.xml_tree import Node

Parse = Callable[[Node], Any]
Write = Callable[[list[str], Any], None]
"""Appends the pieces of one element, its tags included."""

# A carriage return would be read back as a line feed; other control characters have no XML form but this.
_REFERENCES = {code: f"&#{code};" for code in range(32) if chr(code) not in "\t\n"}
_CONTENT = str.maketrans(_REFERENCES | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ATTRIBUTE = str.maketrans({"\t": "&#9;", "\n": "&#10;", '"': "&quot;"}) | _CONTENT


def escaped(text: str) -> str:
    """Return text as the content of an element."""
    return text.translate(_CONTENT)


def quoted(text: str) -> str:
    """Return text as the value of an attribute, quotes included."""
    return f'"{text.translate(_ATTRIBUTE)}"'


class XmlCodec:
    """Parsers and writers of the shapes of one service, each compiled once."""

    def __init__(self) -> None:
        self._parsers: dict[str, Parse] = {}
        self._writers: dict[tuple[str, str], Write] = {}

    def parser(self, shape: Shape) -> Parse:
        """Return a function from an element to the value of `shape`; it raises `MismatchError`."""
        match shape.kind:
            case "structure":
                known = self._parsers.get(shape.name)
                if known is None:
                    self._parsers[shape.name] = late(self._parsers, shape.name)
                    known = self._parsers[shape.name] = self._structure_parser(shape)
                return known
            case "list":
                return _list_parser(_element_name(shape), self.parser(shape.element))
            case "map":
                return _map_parser(shape, self.parser(shape.element))
            case _:
                parse = text_codec.parser(shape)
                return lambda node: parse(node.text)

    def _structure_parser(self, shape: Shape) -> Parse:
        elements: dict[str, tuple[str, Parse, bool]] = {}
        attributes: dict[str, tuple[str, Callable[[str], Any]]] = {}
        for name, member in shape.members.items():
            if member.traits.get("xmlAttribute"):
                attributes[member.wire_name(name)] = (name, text_codec.parser(member))
            elif member.flattened:
                element = member.element if member.kind == "list" else member
                elements[member.wire_name(name)] = (name, self._entry_parser(member, element), True)
            else:
                # Of two members with one element name (a former scalar, its list) the list takes all.
                elements.setdefault(member.wire_name(name), (name, self.parser(member), False))
        return _structure_parser(elements, attributes)

    def _entry_parser(self, member: Shape, element: Shape) -> Parse:
        return self.parser(element) if member.kind == "list" else _entry_parser(member, self.parser(element))

    def writer(self, shape: Shape, name: str) -> Write:
        """Return a function that appends `shape` as an element called `name`; it raises TypeError."""
        match shape.kind:
            case "structure":
                key = (shape.name, name)
                known = self._writers.get(key)
                if known is None:
                    self._writers[key] = late(self._writers, key)
                    known = self._writers[key] = self._structure_writer(shape, name)
                return known
            case "list":
                return self._list_writer(shape, name)
            case "map":
                return self._map_writer(shape, name)
            case _:
                write = text_codec.writer(shape, ISO_8601)
                return lambda out, value: out.append(f"<{name}>{escaped(write(value))}</{name}>")

    def _structure_writer(self, shape: Shape, name: str) -> Write:
        attributes = {
            member_name: (member.wire_name(member_name), text_codec.writer(member, ISO_8601))
            for member_name, member in shape.members.items()
            if member.traits.get("xmlAttribute")
        }
        members = {
            member_name: self.writer(member, _member_name(member_name, member))
            for member_name, member in shape.members.items()
            if member_name not in attributes
        }
        namespace = shape.traits.get("xmlNamespace", {})
        prefix = f":{namespace['prefix']}" if "prefix" in namespace else ""
        declared = f" xmlns{prefix}={quoted(namespace['uri'])}" if "uri" in namespace else ""

        def write(out: list[str], value: Mapping[str, Any]) -> None:
            opening = f"<{name}{declared}"
            for member_name, (attribute, to_text) in attributes.items():
                if value.get(member_name) is not None:
                    opening += f" {attribute}={quoted(to_text(value[member_name]))}"
            out.append(opening + ">")
            write_members(out, shape.name, members, {k: v for k, v in value.items() if k not in attributes})
            out.append(f"</{name}>")

        return write

    def members_writer(self, shape: Shape) -> Callable[[list[str], Mapping[str, Any]], None]:
        """Return a function that appends the members of a structure without an element around them."""
        members = {
            name: self.writer(member, _member_name(name, member)) for name, member in shape.members.items()
        }
        return lambda out, value: write_members(out, shape.name, members, value)

    def _list_writer(self, shape: Shape, name: str) -> Write:
        if shape.flattened:
            element = self.writer(shape.element, name)

            def write_flat(out: list[str], values: Any) -> None:
                for value in values:
                    element(out, value)

            return write_flat
        element = self.writer(shape.element, _element_name(shape))

        def write(out: list[str], values: Any) -> None:
            out.append(f"<{name}>")
            for value in values:
                element(out, value)
            out.append(f"</{name}>")

        return write

    def _map_writer(self, shape: Shape, name: str) -> Write:
        key = self.writer(shape.key, shape.key.wire_name("key"))
        element = self.writer(shape.element, shape.element.wire_name("value"))
        entry = name if shape.flattened else "entry"

        def write(out: list[str], value: Mapping[str, Any]) -> None:
            out.append("" if shape.flattened else f"<{name}>")
            for item_key, item in value.items():
                out.append(f"<{entry}>")
                key(out, item_key)
                element(out, item)
                out.append(f"</{entry}>")
            out.append("" if shape.flattened else f"</{name}>")

        return write


def write_members(
    out: list[str], shape_name: str, members: Mapping[str, Write], value: Mapping[str, Any]
) -> None:
    """Append the members that are there, in the order they come."""
    for name, item in value.items():
        if item is None:
            continue
        write = members.get(name)
        if write is None:
            raise TypeError(f"{shape_name} has no member {name!r} in the model")
        write(out, item)


def _element_name(shape: Shape) -> str:
    return shape.element.wire_name("member")


def _member_name(name: str, member: Shape) -> str:
    # The elements of a flattened list carry the element's own name where it has one.
    if member.kind == "list" and member.flattened:
        return member.element.wire_name(member.wire_name(name))
    return member.wire_name(name)


def _structure_parser(
    elements: Mapping[str, tuple[str, Parse, bool]],
    attributes: Mapping[str, tuple[str, Callable[[str], Any]]],
) -> Parse:
    def parse(node: Node) -> dict[str, Any]:
        parsed: dict[str, Any] = {}
        for wire_name, (name, to_value) in attributes.items():
            if wire_name in node.attributes:
                parsed[name] = to_value(node.attributes[wire_name])
        for child in node.children:
            known = elements.get(child.name)
            if known is None:
                continue
            name, parse_child, repeats = known
            if not repeats and name in parsed:
                raise MismatchError(f"the element {child.name} occurs twice")
            try:
                value = parse_child(child)
            except MismatchError as error:
                raise error.at(child.name) from None
            _add(parsed, name, value, repeats=repeats)
        return parsed

    return parse


def _add(parsed: dict[str, Any], name: str, value: Any, *, repeats: bool) -> None:
    if not repeats:
        parsed[name] = value
    elif isinstance(value, tuple):  # one entry of a flattened map
        parsed.setdefault(name, {})[value[0]] = value[1]
    else:
        parsed.setdefault(name, []).append(value)


def _list_parser(element_name: str, element: Parse) -> Parse:
    return lambda node: [element(child) for child in node.named(element_name)]


def _entry_parser(shape: Shape, element: Parse) -> Parse:
    key_name, value_name = shape.key.wire_name("key"), shape.element.wire_name("value")

    def parse(node: Node) -> tuple[str, Any]:
        keys, values = node.named(key_name), node.named(value_name)
        if len(keys) != 1 or len(values) != 1:
            raise MismatchError(f"an entry of a map has one {key_name} and one {value_name}")
        return keys[0].text, element(values[0])

    return parse


def _map_parser(shape: Shape, element: Parse) -> Parse:
    entry = _entry_parser(shape, element)
    return lambda node: dict(entry(child) for child in node.named("entry"))
