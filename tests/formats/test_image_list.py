import io

import pytest

from wildsage.formats.errors import FormatError
from wildsage.formats.image_list import ImageEntry, read_entries, write_entries

TEXT = b"5\t1.000000\tcats/a.jpg\n7\t0.000000\t1.000000\tdogs/b c.png\n"
ENTRIES = [ImageEntry(5, (1.0,), "cats/a.jpg"), ImageEntry(7, (0.0, 1.0), "dogs/b c.png")]


def read(data):
    return list(read_entries(io.BytesIO(data), "train.lst"))


def test_entries_are_read_and_written():
    assert read(TEXT) == read(TEXT.replace(b"\n", b"\r\n\n")) == ENTRIES
    assert write_entries(ENTRIES) == TEXT
    assert read(b"") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"5\tcats/a.jpg", "not index, labels and path"),
        (b"5 1 cats/a.jpg", "not index, labels and path"),
        (b"x\t1\ta.jpg", "'x' is not an index"),
        (b"-1\t1\ta.jpg", "'-1' is not an index"),
        (b"1\tdog\ta.jpg", "'dog' is not a label"),
        (b"1\tnan\ta.jpg", "'nan' is not a label"),
        (b"1\t1_0\ta.jpg", "'1_0' is not a label"),
        (b"1\t1\t../a.jpg", "'../a.jpg' is not a path inside"),
        (b"1\t1\t/etc/passwd", "'/etc/passwd' is not a path inside"),
        (b"1\t1\t", "'' is not a path inside"),
        (b"5\t1\tother.jpg", "index 5 is that of line 1 too"),
        (b"\xff\t1\ta", "not in UTF-8"),
    ],
)
def test_bad_lines_are_named(line, message):
    with pytest.raises(FormatError, match=f"train.lst, line 2: .*{message}"):
        read(b"5\t0\ta.jpg\n" + line)
