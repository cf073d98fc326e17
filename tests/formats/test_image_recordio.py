import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.errors import FormatError
from wildsage.formats.image_recordio import pack, read_images, unpack, write_images
from wildsage.formats.images import Image
from wildsage.formats.reading import Reading
from wildsage.formats.recordio import frame_record
from wildsage.formats.recordio_frames import MAGIC_BYTES

JPEG = b"\xff\xd8\xff\xe0JFIF"
# Headers as mx.recordio.pack writes them: one label, and several as object detection has them.
ONE_LABEL = bytes.fromhex("000000000000404007000000000000000000000000000000") + JPEG
SEVERAL = (
    bytes.fromhex("050000000000000008000000000000000900000000000000000000400000a0400000803f0000003f0000803e")
    + JPEG
)


def test_records_of_mxnet_are_read_and_written():
    one, several = unpack(ONE_LABEL), unpack(SEVERAL)
    assert (one.labels, one.number, one.second_number, one.content) == ((3.0,), 7, 0, JPEG)
    assert (several.labels, several.number, several.second_number) == ((2.0, 5.0, 1.0, 0.5, 0.25), 8, 9)
    assert (pack(one), pack(several)) == (ONE_LABEL, SEVERAL)


@given(
    st.lists(
        st.builds(
            lambda content, labels, number: Image(JPEG + content, "image/jpeg", tuple(labels), number),
            st.lists(st.sampled_from([MAGIC_BYTES, b"abcd", b"x"])).map(b"".join),
            st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4),
            st.integers(0, 2**64 - 1),
        )
    )
)
def test_written_images_are_read_back(images):
    assert list(read_images(io.BytesIO(write_images(images)), "x", Reading())) == images


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"short", "byte 32: a record of 5 bytes; the header alone has 24"),
        (b"\xff\xff\xff\xff" + ONE_LABEL[4:], "byte 32: 4294967295 labels announced in a record of 32 bytes"),
        (ONE_LABEL[:24] + b"GIF", "byte 32: 'GIF' begins neither"),
        (ONE_LABEL[:24], "byte 32: '' begins neither"),
    ],
)
def test_bad_records_are_refused(payload, message):
    good = write_images([unpack(ONE_LABEL)])[:40]
    data = frame_record(ONE_LABEL[:24])[:0] + good + frame_record(payload)
    with pytest.raises(FormatError, match=message.replace("32:", f"{len(good)}:")):
        list(read_images(io.BytesIO(data), "x", Reading()))
