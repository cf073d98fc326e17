import io
import zipfile

import pytest

from wildsage.formats.errors import FormatError
from wildsage.formats.zip_files import read_zip, write_zip

FILES = {"symbol.json": b"{}", "params": bytes(range(256)) * 10}


def test_what_is_written_is_read_by_zipfile_and_here():
    data = write_zip(FILES)
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == list(FILES)
    assert read_zip(data) == FILES
    assert write_zip(FILES) == data


def test_compressed_archives_are_read():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("params", FILES["params"])
    assert read_zip(archive.getvalue()) == {"params": FILES["params"]}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"garbage", "not a readable zip archive"),
        (lambda data: data[:-30], "not a readable zip archive"),
        (lambda data: data.replace(b"\x01\x02\x03\x04\x05", b"\x01\x02\x03\x04\x06"), "Bad CRC-32"),
        (lambda _: write_zip({"é": b""}).replace("é".encode(), b"\xff\xff"), "'utf-8' codec can't decode"),
    ],
)
def test_what_is_damaged_is_refused(spoil, reason):
    with pytest.raises(FormatError, match=reason):
        read_zip(spoil(write_zip(FILES)), "model_algo-1")


def test_an_archive_that_would_fill_the_memory_is_refused():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("params", bytes(1 << 24))
    with pytest.raises(FormatError, match="claim to hold 16777216"):
        read_zip(archive.getvalue())
