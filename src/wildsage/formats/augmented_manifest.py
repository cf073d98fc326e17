"""Augmented manifests: JSON Lines of which a job takes some attributes, in an order that it names.

The value of an attribute ``*-ref`` is the S3 URI of an object whose content takes its place; whoever has the
objects fetches it. Any other value is streamed as text: a string as it is, all else as JSON.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.json_lines import read_values
from wildsage.formats.recordio import frame_record

_REFERENCE = "-ref"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One value of a line.

    Attributes
    ----------
    content
        The bytes that are streamed; of a reference, the URI.
    """

    name: str
    content: bytes

    @property
    def is_reference(self) -> bool:
        """Tell whether the content of an object is to take the place of its URI."""
        return self.name.endswith(_REFERENCE)


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """The attributes of a line, in the order asked for."""

    number: int
    attributes: tuple[Attribute, ...]


def read_manifest(file: BinaryIO, source: str, attribute_names: Sequence[str]) -> Iterator[ManifestLine]:
    """Yield the lines of a manifest.

    Parameters
    ----------
    attribute_names
        ``AttributeNames`` of the channel: which, and in which order.

    Raises
    ------
    FormatError
        With the line: no JSON object, an attribute that is not there, a reference that is no S3 URI.
    """
    for number, value in read_values(file, source):
        if not isinstance(value, dict):
            raise FormatError(source, f"{excerpt(json.dumps(value))} is no JSON object", line=number)
        missing = [name for name in attribute_names if name not in value]
        if missing:
            has = ", ".join(map(excerpt, value)) or "none"
            raise FormatError(source, f"no attribute {excerpt(missing[0])}; it has {has}", line=number)
        yield ManifestLine(
            number, tuple(_attribute(name, value[name], source, number) for name in attribute_names)
        )


def wrap(contents: Sequence[bytes]) -> bytes:
    """Frame the contents of a line for ``RecordWrapperType: RecordIO``: one record for each attribute.

    Raises
    ------
    ValueError
        If a content is too long for a frame.
    """
    return b"".join(map(frame_record, contents))


def _attribute(name: str, value: Any, source: str, number: int) -> Attribute:
    attribute = Attribute(name, text_of(value))
    if attribute.is_reference and not (isinstance(value, str) and value.startswith("s3://")):
        raise FormatError(source, f"{name} is {excerpt(attribute.content)}, not an S3 URI", line=number)
    return attribute


def text_of(value: Any) -> bytes:
    """Return a value as it is streamed."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate, which JSON allows, has no bytes in UTF-8.
    return text.encode("utf-8", "replace")
