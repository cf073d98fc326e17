import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.errors import FormatError
from wildsage.formats.recordio import MAGIC, MAGIC_BYTES, frame_record, read_records


def frame(flag: int, payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


@given(st.lists(st.binary(max_size=50)))
def test_written_records_are_read_back(payloads):
    data = b"".join(map(frame_record, payloads))
    assert [bytes(record) for record in read_records(data)] == payloads


def test_the_parts_of_a_split_record_are_joined_by_the_magic_number():
    data = frame(1, b"ab") + frame(2, b"") + frame(3, b"cdefg") + frame(0, b"next")
    assert list(read_records(data)) == [b"ab" + MAGIC_BYTES + MAGIC_BYTES + b"cdefg", b"next"]


@pytest.mark.parametrize(
    ("data", "place", "rule"),
    [
        (frame(0, b"good") + b"junkjunk", "byte 12", "magic number"),
        (frame(0, b"good") + b"\x0a\x23", "byte 12", "ends inside a RecordIO header"),
        (frame(0, b"good")[:-1], "byte 0", "a record of 4 bytes, but only 3 follow"),
        (struct.pack("<II", MAGIC, 1 << 28), "byte 0", "268435456 bytes, but only 0"),
        (frame(2, b"lost"), "byte 0", "begins with part flag 2"),
        (frame(1, b"lost") + frame(0, b"part"), "byte 12", "continued with part flag 0"),
        (frame(1, b"lost"), "byte 12", "ends inside"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name_and_the_byte(data, place, rule):
    with pytest.raises(FormatError, match=f"part-0.rec, {place}: .*{rule}"):
        list(read_records(data, "part-0.rec"))


def test_a_record_too_long_for_a_frame_is_refused():
    class Long(bytes):
        def __len__(self):
            return 1 << 29

    with pytest.raises(ValueError, match="536870912 bytes"):
        frame_record(Long())
