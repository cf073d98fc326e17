import json
from dataclasses import replace

import numpy as np
import pytest

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.inference import (
    RowsPredictor,
    choose_response_type,
    parse_features,
    parse_matrix,
    render_columns,
)
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.serving import RequestError

ALL = (JSON, CSV, JSON_LINES, RECORDIO_PROTOBUF)


def test_a_label_in_front_is_dropped_where_it_is_announced():
    assert parse_matrix(b"9,1,2", "text/csv; label_size=1", ALL, 2).tolist() == [[1, 2]]
    assert parse_matrix(b"9,1,2", "text/csv", ALL, 3).tolist() == [[9, 1, 2]]


def test_sparse_records_are_laid_out():
    record = Record({"values": Tensor(np.float32([5]), np.uint64([2]), (3,))})
    body = frame_record(encode_record(record)) + write_dense(np.float32([[1, 2, 3]]))
    assert parse_matrix(body, RECORDIO_PROTOBUF, ALL, 3).tolist() == [[0, 0, 5], [1, 2, 3]]


def test_requests_may_stay_sparse():
    record = Record({"values": Tensor(np.float32([5]), np.uint64([2]), (1 << 30,))})
    rows = parse_features(frame_record(encode_record(record)), RECORDIO_PROTOBUF, ALL, 1 << 30)
    assert (rows.columns.tolist(), rows.values.tolist()) == ([2], [5])


@pytest.mark.parametrize(
    ("body", "content_type", "status", "text"),
    [
        (b"1,2,3\n", CSV, 400, "the rows have 3 features, the model was trained with 2"),
        (b"1", "text/plain", 415, "content type 'text/plain' is not supported: use application/json"),
        (b"1", "text/csv; label_size", 415, "not of the form"),
        (b"1", "text/csv; label_size=x", 400, "not a whole number"),
        (b"", CSV, 400, "there are no rows"),
        (b"", RECORDIO_PROTOBUF, 400, "there are no rows"),
        (b"1,nan", CSV, 400, "row 1: feature 2 is nan; only finite numbers"),
        (b"1,x", CSV, 400, "line 1: column 2 holds 'x'"),
        (b"{}", JSON, 400, "is no JSON object"),
        (b"{}\n", JSON_LINES, 400, "line 1"),
        (b"12345678", RECORDIO_PROTOBUF, 400, "byte 0"),
        (write_dense(np.ones((1, 2), np.float32)) + write_dense(np.ones((1, 3), np.float32)), RECORDIO_PROTOBUF, 400,
         "the rows have 3 features, the model was trained with 2"),
        (frame_record(encode_record(Record({"values": Tensor(np.float32([1]), np.uint64([0]), (1 << 31,))}))),
         RECORDIO_PROTOBUF, 400, "too many values"),
    ],
)  # fmt: skip
def test_bad_requests(body, content_type, status, text):
    width = 1 << 31 if "too many" in text else 2
    with pytest.raises(RequestError, match=text) as caught:
        parse_matrix(body, content_type, ALL, width)
    assert caught.value.status == status


def test_answers_in_all_types():
    columns = {"a": np.float32([1, 2]), "b": np.float32([0.5, 3])}
    assert render_columns(columns, CSV) == b"1.0,0.5\n2.0,3.0\n"
    assert json.loads(render_columns(columns, JSON)) == {
        "predictions": [{"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 3.0}]
    }
    assert render_columns(columns, JSON_LINES) == b'{"a": 1.0, "b": 0.5}\n{"a": 2.0, "b": 3.0}\n'
    with pytest.raises(RequestError, match="accept 'image/png' is not supported"):
        choose_response_type("image/png", ALL)


class Sums:
    feature_dim = 2

    def predict(self, features, options):
        return {"sum": features.sum(axis=1)}


@pytest.mark.parametrize("accept", [RECORDIO_PROTOBUF, JSON])
def test_records_are_answered_with_their_identity(accept):
    spec = replace(load_spec("wildsage.algorithms.kmeans"), response_types=ALL)
    records = [
        Record({"values": Tensor(np.float32([1, number]))}, uid=f"row {number}", metadata="{}")
        for number in range(30)
    ]
    body = b"".join(frame_record(encode_record(one)) for one in records)
    answer, _ = RowsPredictor(spec, Sums()).predict(body, RECORDIO_PROTOBUF, accept)
    if accept == JSON:
        assert json.loads(answer)["predictions"][29] == {"sum": 30.0}
        return
    answered = list(map(decode_record, read_records(answer)))
    assert [(one.uid, one.metadata) for one in answered] == [(one.uid, "{}") for one in records]
    assert [float(one.label["sum"].values[0]) for one in answered] == list(range(1, 31))
