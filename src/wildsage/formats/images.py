"""Images as they are, one a file or request: ``image/jpeg``, ``image/png``, ``application/x-image``.

Nothing is decoded into pixels here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from wildsage.formats.content_types import JPEG, PNG
from wildsage.formats.errors import FormatError, excerpt
from wildsage.formats.reading import Reading
from wildsage.formats.streams import read_whole

LARGEST = 256 << 20
"""Bytes of one image."""
_MAGIC: Final = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image.

    Attributes
    ----------
    content
        The encoded image: what a JPEG or PNG file holds.
    media_type
        ``image/jpeg`` or ``image/png``, as its first bytes say.
    labels
        As its container has them; none for an image alone.
    number, second_number
        Identifiers that its container gives, else 0.
    """

    content: bytes
    media_type: str
    labels: tuple[float, ...] = ()
    number: int = 0
    second_number: int = 0


def read_images(file: BinaryIO, source: str, reading: Reading) -> Iterator[Image]:
    """Yield the one image of a file; none, if the file is empty.

    Raises
    ------
    FormatError
        If it is neither JPEG nor PNG, or another one than its content type says.
    """
    content = read_whole(file, source, LARGEST)
    if not content:
        return
    found = media_type_of(content, source)
    named = reading.content_type.media_type
    if named in _MAGIC and named != found:
        raise FormatError(
            source, f"the content type is {named}, but the first bytes are those of {found}", offset=0
        )
    yield Image(content, found)


def write_images(images: list[Image]) -> bytes:
    """Write one image.

    Raises
    ------
    ValueError
        If there are several.
    """
    (image,) = images
    return image.content


def media_type_of(content: bytes, source: str, offset: int = 0) -> str:
    """Tell JPEG from PNG by the first bytes.

    Parameters
    ----------
    offset
        Position of the image in what is read, for the error's text.

    Raises
    ------
    FormatError
        If it is neither.
    """
    for media_type, magic in _MAGIC.items():
        if content.startswith(magic):
            return media_type
    raise FormatError(source, f"{excerpt(content[:8])} begins neither a JPEG nor a PNG image", offset=offset)
