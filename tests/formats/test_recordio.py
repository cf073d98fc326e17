import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats import recordio
from wildsage.formats.errors import FormatError
from wildsage.formats.recordio import find_frames, frame_record, read_records, split_record
from wildsage.formats.recordio_frames import MAGIC, MAGIC_BYTES


def frame(flag: int, payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


@given(st.lists(st.binary(max_size=50)))
def test_written_records_are_read_back(payloads):
    data = b"".join(map(frame_record, payloads))
    assert [bytes(record) for record in read_records(data)] == payloads


def test_the_parts_of_a_split_record_are_joined_by_the_magic_number():
    data = frame(1, b"ab") + frame(2, b"") + frame(3, b"cdefg") + frame(0, b"next")
    assert list(read_records(data)) == [b"ab" + MAGIC_BYTES + MAGIC_BYTES + b"cdefg", b"next"]


# Written by MXNet's MXRecordIO: it splits a record where the magic number stands at a multiple of four bytes.
SPLIT = bytes.fromhex(
    "0a23d7ce05000000706c61696e0000000a23d7ce0800000061620a23d7ce63640a23d7ce04000020616263640a23d7ce0400004065666768"
    "0a23d7ce000000600a23d7ce000000200a23d7ce000000400a23d7ce000000600a23d7ce000000000a23d7ce04000020313233340a23d7ce"
    "00000060"
)
PAYLOADS = [
    b"plain",
    b"ab" + MAGIC_BYTES + b"cd",
    b"abcd" + MAGIC_BYTES + b"efgh" + MAGIC_BYTES,
    MAGIC_BYTES * 2,
    b"",
    b"1234" + MAGIC_BYTES,
]


def test_bytes_of_mxnet_are_read_and_written():
    assert [bytes(record) for record in read_records(SPLIT)] == PAYLOADS
    assert b"".join(map(split_record, PAYLOADS)) == SPLIT


@given(st.lists(st.lists(st.sampled_from([MAGIC_BYTES, b"abcd", b"x", frame(0, b"ab")])).map(b"".join)))
def test_payloads_with_the_magic_number(payloads):
    for write in (frame_record, split_record):
        data = b"".join(map(write, payloads))
        assert [bytes(record) for record in read_records(io.BytesIO(data))] == payloads
        frames = find_frames(memoryview(data))
        assert len(frames.flags) == sum(1 for _ in walk(data))
        assert frames.begins.tolist() == [begin for begin, _ in walk(data)]


@given(
    st.binary(max_size=30),
    st.integers(0, 5),
    st.lists(st.binary(max_size=30), max_size=3),
    st.integers(0, 60),
)
def test_frames_of_one_length_are_found_like_others(payload, times, others, missing):
    whole = frame(0, payload) * times + b"".join(map(frame_record, others))
    data = whole[: max(0, len(whole) - missing)]
    frames = find_frames(memoryview(data))
    there = [(begin, end) for begin, end in walk(whole) if (end + 3) & ~3 <= len(data)]
    assert list(zip(frames.begins.tolist(), frames.ends.tolist(), strict=True)) == there
    assert frames.flags.tolist() == [0] * len(there)


def test_a_part_flag_among_frames_of_one_length_is_seen():
    data = frame(0, b"abcd") + frame(1, b"abcd") + frame(3, b"abcd")
    assert find_frames(memoryview(data)).flags.tolist() == [0, 1, 3]
    assert list(read_records(data)) == [b"abcd", b"abcd" + MAGIC_BYTES + b"abcd"]


def walk(data):
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little") & (1 << 29) - 1
        yield position + 8, position + 8 + size
        position += (8 + size + 3) & ~3


def test_an_endless_record_of_parts_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(recordio, "LONGEST_RECORD", 1 << 16)
    monkeypatch.setattr(recordio, "WINDOW", 1 << 12)

    class Endless(io.RawIOBase):
        served = 0

        def read(self, size=-1):
            self.served += size
            assert self.served < 1 << 20
            if self.served == size:
                return frame(1, bytes(size - 8))
            return frame(2, bytes(size - 8))

    with pytest.raises(FormatError, match="byte 0: a record of more than 65536 bytes"):
        list(read_records(Endless(), "x"))


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
