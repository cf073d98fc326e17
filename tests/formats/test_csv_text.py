import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from wildsage.formats import csv_polars, csv_text, lines, streams
from wildsage.formats.content_types import ContentType
from wildsage.formats.csv_text import Dialect, parse_csv, read_csv
from wildsage.formats.errors import FormatError, NotFiniteError
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows


def same(text: bytes, expected, **dialect) -> bool:
    return np.array_equal(parse_csv(text, "x", Dialect(**dialect)), np.float32(expected), equal_nan=True)


@settings(max_examples=50)
@given(npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_every_float_is_read_back(matrix):
    text = "\n".join(",".join(repr(float(value)) for value in row) for row in matrix)
    assert np.array_equal(parse_csv(text.encode()), matrix, equal_nan=True)


@pytest.mark.parametrize(
    "text",
    [b"1,2\n3,4", b"1,2\n3,4\n", b"1,2\r\n3,4\r\n", b"\xef\xbb\xbf1,2\n3,4", b'"1","2"\n3,"4"\n', b"1,2\n\n3,4\n\n\n",
     b" 1 , 2\n 3, 4 ", b"1e0,+2.\n.3e1,4"],
)  # fmt: skip
def test_ways_to_write_the_same_matrix(text):
    assert same(text, [[1, 2], [3, 4]])


def test_other_delimiters_are_found():
    for mark in ("\t", ";", "|", " "):
        assert same(f"1{mark}2\n3{mark}4\n".encode(), [[1, 2], [3, 4]], delimiter=None)
    assert same(b"1\n2\n3\n", [[1], [2], [3]], delimiter=None)


def test_empty_fields_are_missing_values_where_allowed():
    nan = math.nan
    assert same(b",1,\n2,,3\n,,\n", [[nan, 1, nan], [2, nan, 3], [nan, nan, nan]], missing=True)
    assert same(b"1\t\n\t2\n", [[1, nan], [nan, 2]], missing=True, delimiter="\t")
    with pytest.raises(NotFiniteError, match="line 2: column 2 holds '', not a number") as caught:
        parse_csv(b"1,2\n3,\n")
    assert caught.value.kind == "missing (NaN)"


def test_a_field_of_blanks_is_an_empty_one():
    for text in (b"1, ,3\n", b"\t,1,3\n", b"1,3, \n"):
        row = [math.nan if not field.strip() else float(field) for field in text.split(b",")]
        assert same(text * 2, [row] * 2, missing=True)
        with pytest.raises(FormatError, match=r"line 1: column . holds .*, not a number"):
            parse_csv(text * 2)
    assert same(b"1 , 2\n3\t, 4\n", [[1, 2], [3, 4]])
    for text in (b"1,,3\n", b",1,3\n"):
        with pytest.raises(FormatError, match=r"line 1: column . holds '', not a number"):
            parse_csv(text * 2)


def test_other_charsets():
    assert same("1,2\n3,4".encode("utf-16"), [[1, 2], [3, 4]], charset="utf-16")
    assert same(b"1,2", [[1, 2]], charset="latin-1")
    with pytest.raises(FormatError, match="charset 'klingon' is unknown"):
        parse_csv(b"1", "x", Dialect(charset="klingon"))
    with pytest.raises(FormatError, match="not in the charset announced"):
        parse_csv(b"\x00\xd8\x00\x00", "x", Dialect(charset="utf-16-le"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1,2\n3,4,5\n", "line 2: 3 columns, the lines before have 2"),
        (b"1,2,3\n4,5\n6,7,8,9\n", "line 2: 2 columns, the lines before have 3"),
        (b"1,2\n3,x\n", "line 2: column 2 holds 'x', not a number$"),
        (
            b"age,income\n3,4\n",
            "line 1: 'age,income' is a header; CSV input has no header row: remove the first line",
        ),
        (b'\n"age","in,come"\n3,4\n', "line 2: .* is a header; CSV input has no header row"),
        (
            b"age,2\n3,4\n",
            "line 1: column 1 holds 'age', not a number; CSV input has no header row: if this is",
        ),
        (b'1,"2\n3,4"\n', "line 1: .* is no line of CSV: unexpected end"),
        (b"1,nan(2)\n", "line 1: column 2 holds 'nan\\(2\\)', not a number"),
        ("1,\u0663\n".encode(), "line 1: column 2 holds '\u0663', not a number"),
        (b"1,2\n3,1_000\n", "line 2: column 2 holds '1_000'"),
        (b"1,2\n3,0x10\n", "line 2: column 2 holds '0x10'"),
        (b"1,2\n\n\n3,\xff\xfe\n", "line 4: column 2"),
        (b"1,2\n3," + b"9" * 500 + b"z", "line 2: column 2 holds '9{40}…'"),
    ],
)
def test_errors_name_the_line_and_the_rule(text, message):
    with pytest.raises(FormatError, match=f"train.csv, {message}"):
        parse_csv(text, "train.csv")


FIELDS = st.sampled_from(
    [
        "1",
        "-2.5",
        "+3",
        "1e39",
        "1e400",
        "1e-400",
        ".5",
        "5.",
        "0.1",
        "16777217",
        "1.000000059604644776",
        "-0",
        "nan",
        "-inf",
        "Infinity",
        "nan(1)",
        "1_0",
        "0x1",
        "",
        " 7",
        "8 ",
        "\t9",
        "null",
        "NA",
        "#1",
        "'1'",
        '"2"',
        "é",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(FIELDS, min_size=1, max_size=3), max_size=5),
    st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\r", "\n \n"]), min_size=5, max_size=5),
    st.sampled_from([",", "\t", ";", " "]),
    st.booleans(),
    st.booleans(),
)
def test_polars_reads_what_the_base_reader_reads(rows, ends, delimiter, missing, regular):
    if regular:
        rows = [(row * 3)[: len(rows[0])] for row in rows]
    text = "".join(delimiter.join(row) + end for row, end in zip(rows, ends, strict=False)).encode()
    found = []
    for smallest in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_polars, "SMALLEST", smallest)
            patch.setattr(csv_polars, "SMALLEST_COLUMN", smallest)
            found.append(outcome(text, Dialect(delimiter=delimiter, missing=missing)))
    assert found[0] == found[1]


def outcome(text: bytes, dialect: Dialect):
    try:
        matrix = parse_csv(text, "x", dialect)
    except FormatError as error:
        return str(error)
    return matrix.shape, matrix.dtype, np.where(np.isnan(matrix), np.float32(12345), matrix).tobytes()


def test_polars_is_asked_for_large_blocks(monkeypatch):
    matrix = np.random.default_rng(0).random((60_000, 3)).astype(np.float32)
    text = csv_text.write_rows(Rows(matrix, np.zeros((len(matrix), 0), np.float32)))
    asked = []

    def parse(*arguments, **options):
        asked.append(len(arguments[0]))
        return csv_polars_parse(*arguments, **options)

    csv_polars_parse = csv_polars.parse
    monkeypatch.setattr(csv_polars, "parse", parse)
    assert np.array_equal(parse_csv(text), matrix)
    assert sum(asked) == len(text)
    monkeypatch.setattr(csv_polars, "installed", lambda _: False)
    asked.clear()
    assert np.array_equal(parse_csv(text), matrix)
    assert not asked


def test_polars_is_not_asked_for_few_rows_of_many_columns(monkeypatch):
    """What it does for each column would take 50 times as long as reading these numbers."""
    monkeypatch.setattr(csv_polars, "parse", None)
    assert parse_csv((b"1" + b",2" * 200_000 + b"\n") * 2).shape == (2, 200_001)


def test_rows_have_labels_weights_and_features():
    reading = Reading(ContentType.parse("text/csv; label_size=1"), weights=True)
    (rows,) = csv_text.read_rows(io.BytesIO(b"1,0.5,3,4\n0,2,5,6\n"), "x", reading)
    assert rows.labels.tolist() == [[1], [0]]
    assert rows.weights.tolist() == [0.5, 2]
    assert rows.features.tolist() == [[3, 4], [5, 6]]
    assert csv_text.write_rows(rows) == b"1.0,0.5,3.0,4.0\n0.0,2.0,5.0,6.0\n"
    (rows,) = csv_text.read_rows(
        io.BytesIO(b"1,2\n"), "x", Reading(ContentType.parse("text/csv;label_size=2"))
    )
    assert (rows.labels.tolist(), rows.features.shape) == ([[1, 2]], (1, 0))
    with pytest.raises(FormatError, match="line 1: 1 columns, but label_size is 1 and a weight follows"):
        list(csv_text.read_rows(io.BytesIO(b"1\n"), "x", reading))


@settings(max_examples=50)
@given(npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_written_rows_are_read_back(matrix):
    text = csv_text.write_rows(Rows(matrix, np.zeros((len(matrix), 0), np.float32)))
    assert np.array_equal(parse_csv(text), matrix, equal_nan=True)


def test_an_empty_text_has_no_rows():
    assert len(parse_csv(b"")) == 0
    assert len(parse_csv(b"\n\n")) == 0


@given(st.binary(max_size=80) | st.text('0123456789.,-+eE\n\r"nainf \t', max_size=80).map(str.encode))
def test_any_bytes_either_parse_or_are_refused(data):
    for missing in (False, True):
        try:
            assert parse_csv(data, "x", Dialect(missing=missing)).ndim == 2
        except FormatError as error:
            # A mark of UTF-16 is found by its bytes, before there are lines.
            assert "line" in str(error) or "byte 0" in str(error)  # noqa: PT017 - either outcome is right


def test_files_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 50)
    matrix = np.arange(300, dtype=np.float32).reshape(100, 3)
    text = "\n".join(",".join(map(str, row)) for row in matrix).encode()
    blocks = list(read_csv(io.BytesIO(text), "x"))
    assert len(blocks) > 10
    assert np.array_equal(np.concatenate(blocks), matrix)
    with pytest.raises(FormatError, match="line 101: 1 columns"):
        list(read_csv(io.BytesIO(text + b"\n7"), "x"))
    with pytest.raises(FormatError, match="line 103: column 1 holds 'x'"):
        list(read_csv(io.BytesIO(text + b"\n\n\nx,2,3"), "x"))
    assert list(read_csv(io.BytesIO(b""), "x")) == []


def test_an_endless_line_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 20)
    monkeypatch.setattr(streams, "BLOCK", 1 << 18)

    class Endless(io.RawIOBase):
        served = 0

        def read(self, size=-1):
            self.served += size
            assert self.served < 1 << 23
            return b"1," * (size // 2)

    with pytest.raises(FormatError, match="line 1: the line is longer than 1 MiB"):
        list(read_csv(Endless(), "x"))
