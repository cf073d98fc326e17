"""Images with their labels in RecordIO, as MXNet's im2rec packs them: ``application/x-recordio``.

A record is a header (flag u32, label f32, id u64, second id u64), then, where the flag is not 0, that many
labels f32, then the encoded image.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from wildsage.formats.errors import FormatError
from wildsage.formats.images import Image, media_type_of
from wildsage.formats.reading import Reading
from wildsage.formats.recordio import read_record, read_windows, split_record

_HEADER = struct.Struct("<IfQQ")
_LABEL_SIZE = 4


def read_images(file: BinaryIO, source: str, reading: Reading) -> Iterator[Image]:
    """Yield the images of a file, in memory bounded by the largest record.

    Raises
    ------
    FormatError
        With the byte position: frames or headers that are malformed, images that are neither JPEG nor PNG.
    """
    del reading  # a record says all of itself
    for offset, window, _ in read_windows(file, source):
        position = 0
        while position < len(window):
            payload, following = read_record(window, position, source, offset)
            yield unpack(bytes(payload), source, offset + position)
            position = following


def write_images(images: Iterable[Image]) -> bytes:
    """Write images as MXNet does, split where a payload contains the magic number."""
    return b"".join([split_record(pack(image)) for image in images])


def unpack(payload: bytes, source: str = "record", offset: int = 0) -> Image:
    """Take a record apart.

    Raises
    ------
    FormatError
        If it is too short for what its header announces, or holds no image.
    """
    if len(payload) < _HEADER.size:
        raise FormatError(
            source, f"a record of {len(payload)} bytes; the header alone has {_HEADER.size}", offset=offset
        )
    flag, label, number, second = _HEADER.unpack_from(payload)
    begin = _HEADER.size + _LABEL_SIZE * flag
    if begin > len(payload):
        raise FormatError(
            source, f"{flag} labels announced in a record of {len(payload)} bytes", offset=offset
        )
    labels = struct.unpack_from(f"<{flag}f", payload, _HEADER.size) if flag else (label,)
    content = payload[begin:]
    return Image(content, media_type_of(content, source, offset), labels, number, second)


def pack(image: Image) -> bytes:
    """Put a record together: a single label into the header, several behind it."""
    if len(image.labels) == 1:
        return _HEADER.pack(0, image.labels[0], image.number, image.second_number) + image.content
    head = _HEADER.pack(len(image.labels), 0, image.number, image.second_number)
    return head + struct.pack(f"<{len(image.labels)}f", *image.labels) + image.content
