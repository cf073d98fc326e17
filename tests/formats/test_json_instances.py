import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.errors import FormatError
from wildsage.formats.json_instances import (
    encode_json_lines,
    encode_predictions,
    parse_instances,
    parse_json_lines,
)

SPARSE = {"data": {"features": {"keys": [0, 2], "shape": [3], "values": [1, 2.5]}}}
MIXED = [
    {"features": [1, 0, 2.5]},
    {"data": {"features": {"values": [1, 0, 2.5]}}, "configuration": {}},
    {"data": {"features": [1, 0, 2.5]}},
    SPARSE,
]


def test_all_forms_of_an_instance_mean_the_same():
    body = json.dumps({"instances": MIXED}).encode()
    assert parse_instances(body).tolist() == [[1, 0, 2.5]] * 4
    lines = b"\n".join(json.dumps(instance).encode() for instance in MIXED)
    assert parse_json_lines(lines + b"\n\n").tolist() == [[1, 0, 2.5]] * 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "byte 1: not JSON"),
        (b"[" * 100_000, "cannot be read|not JSON"),
        (b"[1]", 'expected a JSON object {"instances"'),
        (b'{"instances": []}', "there is no instance"),
        (b'{"instances": [{"features": [1]}, {"features": [1, 2]}]}', "instance 1 has 2 features, instance 0 has 1"),
        (b'{"instances": [{"features": ["a"]}]}', "instance 0 is .*expected"),
        (b'{"instances": [{"features": [true]}]}', "instance 0 is "),
        (b'{"instances": [[1, [2]]]}', "instance 0 is "),
        (b'{"instances": [{"data": {"features": {"keys": [5], "shape": [3], "values": [1]}}}]}', "within the shape"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [9e9], "values": [1]}}}]}', "sparse tensor"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [9000000000], "values": [1]}}}]}', "within"),
        (b'{"instances": [{"data": {"features": {"keys": [0], "shape": [3], "values": []}}}]}', "1 keys for 0"),
        (b"\xff\xfe", "not in UTF-8|not JSON"),
        (b'{"instances": [{"features": [1' + b"0" * 5000 + b"]}]}", "cannot be read|no numbers"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(body, message):
    with pytest.raises(FormatError, match=message):
        parse_instances(body)


def test_a_bad_line_is_named():
    with pytest.raises(FormatError, match="line 3, byte 0: not JSON"):
        parse_json_lines(b'{"features": [1]}\n\nnonsense\n')


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists) | st.binary())
def test_any_document_either_parses_or_is_refused(document):
    body = document if isinstance(document, bytes) else json.dumps({"instances": document}).encode()
    for parse in (parse_instances, parse_json_lines):
        try:
            assert parse(body).ndim == 2
        except FormatError as error:
            assert str(error)  # noqa: PT017 - either outcome is right


def test_answers():
    rows = [{"score": 0.5}, {"score": 1.0}]
    assert encode_predictions(rows) == b'{"predictions": [{"score": 0.5}, {"score": 1.0}]}'
    assert encode_json_lines(rows) == b'{"score": 0.5}\n{"score": 1.0}\n'
