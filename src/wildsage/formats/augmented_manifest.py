"""Augmented manifests: JSON Lines of which a job takes some attributes, in an order that it names.

The value of an attribute ``*-ref`` is the S3 URI of an object whose content takes its place; whoever has the
objects fetches it. Any other value is streamed as text: a string as it is, all else as JSON.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from wildsage.core.s3_uri import S3UriError, is_key, split_s3_uri
from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.json_text import load
from wildsage.formats.lines import read_lines
from wildsage.formats.recordio_frames import frame

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
    for number, line in read_lines(file, source):
        yield parse_line(line, number, source, attribute_names)


def parse_line(line: bytes, number: int, source: str, attribute_names: Sequence[str]) -> ManifestLine:
    """Return what a line of a manifest has. Parameters and errors are those of `read_manifest`."""
    value = load(line, source, {"line": number})
    if not isinstance(value, dict):
        raise FormatError(
            source, f"{excerpt(json.dumps(value))} is no JSON object, as each line must be", line=number
        )
    missing = next((name for name in attribute_names if name not in value), None)
    if missing is not None:
        has = ", ".join(map(excerpt, value)) or "none"
        raise FormatError(
            source, f"no attribute {excerpt(missing)} of AttributeNames; it has {has}", line=number
        )
    return ManifestLine(
        number, tuple(_attribute(name, value[name], source, number) for name in attribute_names)
    )


def wrap(contents: Sequence[bytes]) -> bytes:
    """Frame the contents of a line for ``RecordWrapperType: RecordIO``: one record for each attribute.

    Raises
    ------
    ValueError
        If a content is too long for a frame.
    """
    return b"".join(map(frame, contents))


def _attribute(name: str, value: Any, source: str, number: int) -> Attribute:
    attribute = Attribute(name, text_of(value))
    if attribute.is_reference and not _is_object(value):
        raise FormatError(
            source,
            f"{excerpt(name)} is {excerpt(attribute.content)}, not the S3 URI of an object (s3://BUCKET/KEY)",
            line=number,
        )
    return attribute


def _is_object(value: Any) -> bool:
    try:
        return isinstance(value, str) and all(map(is_key, split_s3_uri(value)))
    except S3UriError:
        return False


def text_of(value: Any) -> bytes:
    """Return a value as it is streamed."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone surrogate, which JSON allows, has no bytes in UTF-8.
    return text.encode("utf-8", "replace")
