import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.formats import libsvm, streams
from wildsage.formats.errors import FormatError
from wildsage.formats.libsvm import find_first_index, read_rows, shift_columns, write_rows
from wildsage.formats.reading import Reading
from wildsage.formats.rows import Rows, join
from wildsage.formats.sparse import SparseRows


def parse_libsvm(data, source="x"):
    return join(read_rows(io.BytesIO(data), source, Reading()), source)


def test_rows_of_different_length():
    found = parse_libsvm(b"1 0:2.5 3:-1\r\n0\n\n1\t2:1e3 \n")
    assert found.labels.tolist() == [[1], [0], [1]]
    assert found.weights is None
    assert found.features.dense().tolist() == [[2.5, 0, 0, -1], [0, 0, 0, 0], [0, 0, 1000, 0]]


def test_weights_groups_and_comments():
    found = parse_libsvm(b"1:0.5 0:2\n0:2 1:3\n")
    assert found.weights.tolist() == [0.5, 2]
    found = parse_libsvm(b"1 qid:7 0:2 # first\n0 qid:8 1:3\n")
    assert found.groups.tolist() == [7, 8]
    assert found.features.dense().tolist() == [[2, 0], [0, 3]]


def test_missing_entries_can_be_told_from_zeros():
    assert np.isnan(parse_libsvm(b"1 1:0").features.dense(np.nan)).tolist() == [[True, False]]


@settings(max_examples=60)
@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.integers(-5, 5), st.dictionaries(st.integers(0, 30), st.floats(width=32, allow_nan=False))
        ),
        min_size=1,
    ),
)
def test_the_fast_and_the_careful_way_agree(weighted, lines):
    text = "\n".join(
        f"{label}{':2' if weighted else ''} " + " ".join(f"{i}:{v!r}" for i, v in entries.items())
        for label, entries in lines
    ).encode()
    fast, careful = libsvm._parse_at_once(text), libsvm._parse_by_line(text, "x", 1)
    assert fast is not None
    assert fast.labels.tolist() == careful.labels.tolist()
    assert fast.features.starts.tolist() == careful.features.starts.tolist()
    assert fast.features.columns.tolist() == careful.features.columns.tolist()
    assert np.array_equal(fast.features.values, careful.features.values)
    assert (fast.weights is None) == (careful.weights is None) == (not weighted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1 0:1\n2 3 4:5", "line 2: '3' is not of the form index:value"),
        (b"1 0:1\n1 2:3:4 5", "line 2: '3:4' is not a number"),
        (b"1 0:1\nx 0:1", "line 2: 'x' is not a number; expected: label index:value"),
        (b"1 -1:2", "line 1: '-1' is not a column index"),
        (b"1 1.5:2", "line 1: '1.5' is not a column index"),
        (b"1 99999999999:2", "line 1: '99999999999' is not a column index"),
        (b"1 0:1\n1:2 0:1", "line 2: some rows have a weight"),
        (b"1 qid:1 0:1\n1 0:1", "line 2: some rows have a weight"),
        (b"1,2,3\n", "line 1: '1,2,3' is not a number"),
        (b"nan(1) 0:1\n", "line 1: 'nan\\(1\\)' is not a number"),
        (b"1 2147483648:2", "line 1: '2147483648' is not a column index"),
    ],
)
def test_errors_name_the_line_and_the_rule(text, message):
    with pytest.raises(FormatError, match=f"a.libsvm, {message}"):
        parse_libsvm(text, "a.libsvm")


@given(st.binary(max_size=60) | st.text("0123456789.:- \n\tqid#", max_size=60).map(str.encode))
def test_any_bytes_either_parse_or_are_refused(data):
    try:
        found = parse_libsvm(data)
        assert len(found.features) == len(found.labels)
    except FormatError as error:
        assert "line" in str(error)  # noqa: PT017 - either outcome is right


def test_files_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 40)
    text = b"".join(b"%d 0:%d 1:1\n" % (i % 2, i) for i in range(60))
    parts = list(read_rows(io.BytesIO(text), "x", Reading()))
    assert len(parts) > 5
    assert np.concatenate([part.features.dense()[:, 0] for part in parts]).tolist() == list(range(60))
    with pytest.raises(FormatError, match="line 61: some rows have a weight"):
        list(read_rows(io.BytesIO(text + b"1:2 0:1"), "x", Reading()))
    with pytest.raises(FormatError, match="line 61"):
        list(read_rows(io.BytesIO(text + b"oops"), "x", Reading()))


def test_columns_are_numbered_from_0_or_from_1():
    zero, one = (parse_libsvm(text).features for text in (b"1 0:5 2:6\n", b"1 1:5 3:6\n"))
    assert (find_first_index(zero), find_first_index(one)) == (0, 1)
    for rows in (zero, one):
        assert shift_columns(rows, find_first_index(rows), "x").dense().tolist() == [[5, 0, 6]]
    with pytest.raises(FormatError, match="x, row 1: column 0, but the training data counts from 1"):
        shift_columns(zero, 1, "x")


@given(
    st.lists(
        st.tuples(
            st.floats(width=32, allow_nan=False),
            st.floats(width=32, allow_nan=False),
            st.integers(0, 2**40),
            st.dictionaries(st.integers(0, 30), st.floats(width=32, allow_nan=False), max_size=4),
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_written_rows_are_read_back(lines, ranked):
    entries = [sorted(line[3].items()) for line in lines]
    features = SparseRows(
        np.cumsum([0, *map(len, entries)]),
        np.array([column for row in entries for column, _ in row], np.int64),
        np.array([value for row in entries for _, value in row], np.float32),
        31,
    )
    labels = np.float32([[line[0]] for line in lines])
    weights = np.float32([line[1] for line in lines])
    groups = np.int64([line[2] for line in lines]) % 2**31 if ranked else None
    found = parse_libsvm(write_rows(Rows(features, labels, weights, groups)))
    assert found.labels.tolist() == labels.tolist()
    assert found.weights.tolist() == weights.tolist()
    assert ranked == (found.groups is not None)
    assert found.features.columns.tolist() == features.columns.tolist()
    assert found.features.values.tolist() == features.values.tolist()
    assert found.features.starts.tolist() == features.starts.tolist()


def test_rows_without_labels_are_written_with_the_label_nought():
    features = np.array([[0, 1.5], [2, 0]], np.float32)
    assert write_rows(Rows(features, np.zeros((2, 0), np.float32))) == b"0.0 1:1.5\n0.0 0:2.0\n"
