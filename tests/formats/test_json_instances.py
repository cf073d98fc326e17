import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats import json_instances
from wildsage.formats.errors import FormatError
from wildsage.formats.json_instances import encode_predictions, write_rows
from wildsage.formats.reading import Reading
from wildsage.formats.sparse import SparseRows

SPARSE = {"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1, 2.5]}}}
DENSE = [
    {"features": [1, 0, 2.5]},
    {"data": {"features": {"values": [1, 0, 2.5]}}, "configuration": {}},
    {"data": {"features": [1, 0, 2.5]}},
]


def read(body: bytes):
    return list(json_instances.read_rows(io.BytesIO(body), "request body", Reading()))


def test_all_forms_of_an_instance_mean_the_same():
    dense, sparse, again = read(json.dumps({"instances": [*DENSE, SPARSE, DENSE[0]]}).encode())
    assert dense.features.tolist() == [[1, 0, 2.5]] * 3
    assert sparse.features.dense().tolist() == again.features.tolist() == [[1, 0, 2.5]]
    assert dense.labels.shape == (3, 0)


def test_runs_end_where_the_width_changes():
    body = b'{"instances": [{"features": [1]}, {"features": [1, 2]}, {"features": [3, 4]}]}'
    assert [rows.features.tolist() for rows in read(body)] == [[[1]], [[1, 2], [3, 4]]]


def test_rows_are_written_in_the_forms_that_are_read():
    for instances in (DENSE, [SPARSE, SPARSE]):
        (rows,) = read(json.dumps({"instances": instances}).encode())
        (again,) = read(write_rows(rows))
        assert isinstance(rows.features, SparseRows) == isinstance(again.features, SparseRows)
        plain = [
            one.features.dense() if isinstance(one.features, SparseRows) else one.features
            for one in (rows, again)
        ]
        assert np.array_equal(*plain)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "byte 1: not JSON"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b"[1]", r"'\[1\]' is no JSON object {\"instances\""),
        (b'{"instance": [1]}', "is no JSON object"),
        (b'{"instances": []}', "there is no instance"),
        (b'{"instances": [{"features": ["a"]}]}', "row 1: .* is not"),
        (b'{"instances": [{"features": [1]}, {"features": [true]}]}', "row 2: .* is not"),
        (b'{"instances": [[1, [2]]]}', "row 1: .* is not"),
        (b'{"instances": [{"data": {"features": {"keys": [5], "shape": [3], "values": [1]}}}]}', "row 1: key '5' is beyond"),
        (b'{"instances": [{"data": {"features": {"keys": [-1], "shape": [3], "values": [1]}}}]}', "key '-1' is beyond"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [9e9], "values": [1]}}}]}', "sparse tensor"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "values": [1]}}}]}', "sparse tensor"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [9000000000], "values": [1]}}}]}', "2147483648"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [3], "values": []}}}]}', "1 keys for 0"),
        (b"\xff\xfe", "not in UTF-8|not JSON"),
        (b'{"instances": [{"features": [1' + b"0" * 400 + b"]}]}", "row 1: a number that is too large"),
        (b'{"instances": [{"features": [1' + b"0" * 5000 + b"]}]}", "cannot be read"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(body, message):
    with pytest.raises(FormatError, match=message):
        read(body)


def test_a_document_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(json_instances, "LARGEST", 3 << 20)
    with pytest.raises(FormatError, match="more than 3 MiB"):
        read(b" " * (4 << 20))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists) | st.binary())
def test_any_document_either_parses_or_is_refused(document):
    body = document if isinstance(document, bytes) else json.dumps({"instances": document}).encode()
    try:
        assert all(len(rows) for rows in read(body))
    except FormatError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


def test_answers():
    rows = [{"score": 0.5}, {"score": 1.0}]
    assert encode_predictions(rows) == b'{"predictions": [{"score": 0.5}, {"score": 1.0}]}'
