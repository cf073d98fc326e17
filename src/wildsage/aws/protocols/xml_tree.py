"""Read XML documents into a small tree: no entities, no document types, bounded depth."""

from dataclasses import dataclass, field
from xml.parsers import expat

from wildsage.aws.protocols.base import MismatchError

_DEEPEST = 64


@dataclass(slots=True)
class Node:
    """An element: name without prefix, attributes as written, text, children in order."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def named(self, name: str) -> list["Node"]:
        """Return the children of one name."""
        return [child for child in self.children if child.name == name]


def parse(body: bytes) -> Node:
    """Parse a document.

    Raises
    ------
    MismatchError
        If it is not well-formed, declares a document type, or is nested more than 64 levels deep.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MismatchError(f"the body is no well-formed XML document: {error}") from None
    return builder.document.children[0]


class _Builder:
    def __init__(self) -> None:
        self.document = Node("", {})
        self._open = [self.document]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise MismatchError(f"the XML document is nested more than {_DEEPEST} levels deep")
        node = Node(name.rpartition(":")[2], attributes)
        self._open[-1].children.append(node)
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text

    def refuse_doctype(self, *_declaration: object) -> None:
        raise MismatchError("the XML document declares a document type: send it without")
