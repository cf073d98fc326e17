import io

import pytest

from wildsage.formats import json_lines, lines, streams
from wildsage.formats.errors import FormatError
from wildsage.formats.json_lines import encode_json_lines, read_values
from wildsage.formats.reading import Reading


def rows_of(body: bytes):
    return list(json_lines.read_rows(io.BytesIO(body), "x", Reading()))


def test_each_line_is_an_instance():
    dense, sparse = rows_of(
        b'\xef\xbb\xbf{"features": [1, 2]}\r\n\n{"data": {"features": [3, 4]}}\n'
        b'{"data": {"features": {"keys": [1], "shape": [2], "values": [5]}}}'
    )
    assert dense.features.tolist() == [[1, 2], [3, 4]]
    assert sparse.features.dense().tolist() == [[0, 5]]
    assert rows_of(json_lines.write_rows(dense))[0].features.tolist() == [[1, 2], [3, 4]]
    assert rows_of(b"") == []


def test_files_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr(json_lines, "_BLOCK", 7)
    monkeypatch.setattr(streams, "BLOCK", 50)
    parts = rows_of(b'{"features": [1]}\n' * 30)
    assert [len(part) for part in parts] == [7, 7, 7, 7, 2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"features": [1]}\n\nnonsense\n', "line 3, byte 0: not JSON"),
        (b'{"features": [1]}\n{"feature": [1]}\n', "line 2: .* is not"),
        (b'{"features": [1]}\n' + b"[" * 100_000 + b"\n", "line 2.*(nested too deeply|not JSON)"),
        (b"\xff\n", "line 1.*not in UTF-8"),
    ],
)
def test_a_bad_line_is_named(body, message):
    with pytest.raises(FormatError, match=message):
        rows_of(body)


def test_an_endless_line_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 16)
    monkeypatch.setattr(streams, "BLOCK", 1 << 12)

    class Endless(io.RawIOBase):
        served = 0

        def read(self, size=-1):
            self.served += size
            assert self.served < 1 << 20
            return b"[" * size

    with pytest.raises(FormatError, match="line 1: the line is longer"):
        list(read_values(Endless(), "x"))


def test_answers():
    assert encode_json_lines([{"score": 0.5}, {"score": 1.0}]) == b'{"score": 0.5}\n{"score": 1.0}\n'
