import numpy as np
import pytest

from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.record_identities import read_identities
from wildsage.formats.recordio import frame_record, read_records, split_record
from wildsage.formats.recordio_protobuf import write_dense, write_predictions, write_sparse
from wildsage.formats.sparse import from_dense

ROWS = np.arange(40, dtype=np.float32).reshape(20, 2)


def record(number, **texts):
    return Record({"values": Tensor(ROWS[number])}, {"values": Tensor(np.float32([1]))}, **texts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        write_dense(ROWS),
        write_dense(ROWS, ROWS[:, 0]),
        write_dense(ROWS[:3]),
        write_sparse(from_dense(ROWS)),
        split_record(encode_record(record(0))),
    ],
)
def test_most_records_have_no_identity(data):
    assert read_identities(data, "body") is None


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("frame", [frame_record, split_record])
def test_identities_are_repeated_in_the_answer(count, frame):
    given = [
        ("" if number % 3 == 1 else f"row {number}", "{}" if number % 2 else "") for number in range(count)
    ]
    records = [
        record(number, uid=uid, metadata=metadata, configuration="{}")
        for number, (uid, metadata) in enumerate(given)
    ]
    found = read_identities(b"".join(frame(encode_record(one)) for one in records), "body")
    answer = write_predictions({"score": ROWS[:count, 0], "projection": ROWS[:count]}, found)
    answered = [decode_record(payload) for payload in read_records(answer)]
    assert [(one.uid, one.metadata) for one in answered] == given
    assert all(one.configuration == "" for one in answered)
    assert [one.label["score"].values[0] for one in answered] == ROWS[:count, 0].tolist()


def test_the_one_record_with_an_identity_is_found_among_many():
    body = write_dense(ROWS) + frame_record(encode_record(record(0, uid="last")))
    assert read_identities(body, "body") == [b""] * 20 + [b"\x1a\x04last"]


def test_fields_in_another_order():
    payload = encode_record(Record(uid="first")) + encode_record(record(0))
    assert read_identities(frame_record(payload) * 30, "body") == [b"\x1a\x05first"] * 30


def test_malformed_records_are_refused():
    with pytest.raises(FormatError, match=r"byte \d+: not a protobuf record"):
        read_identities(frame_record(encode_record(Record(uid="abcd"))) + frame_record(b"\x0a\x7f"), "body")
