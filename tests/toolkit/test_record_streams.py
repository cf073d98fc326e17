"""Records from a stream are those of the same bytes in a buffer, wherever the portions are cut."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.formats.errors import FormatError
from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_protobuf import read_rows, write_dense
from wildsage.toolkit import record_streams
from wildsage.toolkit.record_streams import read_row_stream, whole_records


def rows(count, width, start=0):
    return write_dense(np.arange(start, start + count * width, dtype=np.float32).reshape(count, width))


def read(blocks):
    return np.concatenate([block.features for block in blocks])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=6), st.integers(0, 400))
def test_whole_records_end_where_reading_them_one_by_one_does(runs, cut):
    data = b"".join(frame_record(bytes(size) * 3) * count for count, size in runs)[: cut * 7]
    ends = [0]
    while len(data) - ends[-1] >= 8:
        end = ends[-1] + (8 + int.from_bytes(data[ends[-1] + 4 : ends[-1] + 8], "little") + 3 & ~3)
        if end > len(data):
            break
        ends.append(end)
    assert whole_records(memoryview(data), "s") == ends[-1]


@settings(max_examples=30)
@given(st.integers(1, 500))
def test_every_portion_gives_the_same_rows(portion):
    data = rows(40, 3) + rows(7, 3, 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_streams, "_PORTION", portion)
        assert np.array_equal(read(read_row_stream(io.BytesIO(data), "s")), read(read_rows(data, "s")))


def test_a_record_in_parts_is_not_cut(monkeypatch):
    (payload,) = read_records(rows(1, 3))
    payload, magic = bytes(payload), (0xCED7230A).to_bytes(4, "little")
    split = b"".join(
        magic + (flag << 29 | len(part)).to_bytes(4, "little") + part + bytes(-len(part) % 4)
        for flag, part in ((1, payload[:5]), (2, b""), (3, payload[9:]))
    )
    monkeypatch.setattr(record_streams, "_PORTION", 16)
    whole = frame_record(payload)
    assert whole_records(memoryview(whole + split[:-4]), "s") == len(whole)
    assert whole_records(memoryview(whole + split), "s") == len(whole + split)


@pytest.mark.parametrize("portion", [7, 64, 1 << 20])
@pytest.mark.parametrize("tail", [b"1,2\n3,4\n", b"\n", rows(1, 3)[:-2]])
def test_what_is_no_record_is_named_by_its_byte_in_the_stream(monkeypatch, portion, tail):
    monkeypatch.setattr(record_streams, "_PORTION", portion)
    data = rows(9, 3)
    with pytest.raises(FormatError, match=f"^s, byte {len(data)}: "):
        list(read_row_stream(io.BytesIO(data + tail), "s"))


def test_memory_does_not_grow_with_the_stream(monkeypatch):
    monkeypatch.setattr(record_streams, "_PORTION", 1 << 18)
    block = rows(10_000, 16)

    def peak(blocks):
        tracemalloc.start()
        for _ in read_row_stream(_Repeated(block, blocks), "s"):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20) < 1.2 * peak(2)


class _Repeated(io.RawIOBase):
    def __init__(self, block, count):
        self._block, self._left, self._at = block, count, 0

    def read(self, size):
        if not self._left:
            return b""
        portion = self._block[self._at : self._at + size]
        self._at += len(portion)
        if self._at == len(self._block):
            self._left, self._at = self._left - 1, 0
        return portion
