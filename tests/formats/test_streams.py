import gzip
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats import streams
from wildsage.formats.errors import FormatError
from wildsage.formats.lines import line_blocks, read_lines
from wildsage.formats.streams import fill, gunzip


def test_a_pipe_is_read_until_enough_is_there():
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.write(writer, b"defgh")
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as file:
        assert fill(file, 5) == b"abcde"
        assert fill(file, 5) == b"fgh"
        assert fill(file, 5) == b""


def test_gzip_of_several_members_is_unpacked_from_a_pipe():
    packed = gzip.compress(b"first ", mtime=0) + gzip.compress(b"second", mtime=0)
    reader, writer = os.pipe()
    os.write(writer, packed)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as file:
        assert gunzip(file, "x").read() == b"first second"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"plain text", "train/a.gz, byte 0: not gzip"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-9], "not gzip: Compressed file ended"),
        (gzip.compress(b"x", mtime=0)[:-1] + b"\xff", "not gzip: "),
        (gzip.compress(bytes(range(256)) * 40, mtime=0)[:40] + b"\0" * 40, "not gzip: "),
    ],
    ids=("text", "cut off", "another checksum", "another content"),  # the time is in the bytes
)
def test_what_is_no_gzip_is_refused(data, message):
    with pytest.raises(FormatError, match=message):
        gunzip(io.BytesIO(data), "train/a.gz").read()


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"  ", b"\xef\xbb\xbf"]), max_size=20).map(
        b"".join
    ),
    st.integers(1, 9),
)
def test_lines_are_what_they_are_whatever_the_blocks(text, size):
    cut = [text[begin : begin + size] for begin in range(0, len(text), size)]
    plain = text.removeprefix(b"\xef\xbb\xbf")
    blocks = list(line_blocks(cut, "x"))
    assert b"".join(block for _, block in blocks) == plain
    line = 1
    for number, block in blocks:
        assert number == line
        line += block.count(b"\n")
    expected = [(n, one.removesuffix(b"\r")) for n, one in enumerate(plain.split(b"\n"), 1) if one.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", size)
        assert list(read_lines(io.BytesIO(text), "x")) == expected
