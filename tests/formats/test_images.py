import io

import pytest

from wildsage.formats import images
from wildsage.formats.content_types import ContentType
from wildsage.formats.errors import FormatError
from wildsage.formats.images import read_images, write_images
from wildsage.formats.reading import Reading

JPEG = b"\xff\xd8\xff\xe0JFIF"
PNG = b"\x89PNG\r\n\x1a\nIHDR"


def read(data, content_type="application/x-image"):
    return list(read_images(io.BytesIO(data), "cat.jpg", Reading(ContentType.parse(content_type))))


def test_the_first_bytes_say_what_an_image_is():
    (jpeg,) = read(JPEG)
    (png,) = read(PNG, "image/png")
    assert (jpeg.media_type, png.media_type) == ("image/jpeg", "image/png")
    assert jpeg.content == write_images([jpeg]) == JPEG
    assert jpeg.labels == ()
    assert read(b"") == []


def test_other_bytes_are_refused(monkeypatch):
    with pytest.raises(FormatError, match=r"cat\.jpg, byte 0: 'GIF89a' begins neither a JPEG nor a PNG"):
        read(b"GIF89a")
    with pytest.raises(
        FormatError, match="content type is image/png, but the first bytes are those of image/jpeg"
    ):
        read(JPEG, "image/png")
    monkeypatch.setattr(images, "LARGEST", 1 << 20)
    with pytest.raises(FormatError, match="more than 1 MiB"):
        read(JPEG + bytes(1 << 20))
