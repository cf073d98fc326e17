import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wildsage.formats.protobuf import Bytes, Record, Tensor, decode_record, encode_record
from wildsage.formats.wire import MalformedError, encode_varint, unpack_varints

# Written by the protobuf library from SageMaker's schema.
SPARSE = bytes.fromhex(
    "0a1f0a0676616c756573121512130a080000803f0000e040120300ac021a02e80712110a0573636f7265120812060a04"
    "0000003f1a017522016d"
)
INTEGERS = bytes.fromhex("0a190a0676616c756573120f3a0d0a0b01feffffffffffffffff01")


def test_bytes_of_the_reference_implementation_are_read():
    record = decode_record(SPARSE)
    tensor = record.features["values"]
    assert tensor.values.tolist() == [1.0, 7.0]
    assert tensor.keys.tolist() == [0, 300]
    assert tensor.shape == (1000,)
    assert record.label["score"].values.tolist() == [0.5]
    assert (record.uid, record.metadata) == ("u", "m")
    negative = decode_record(INTEGERS).features["values"].values
    assert negative.tolist() == [1, -2]
    assert negative.dtype == np.int32


def test_the_same_bytes_are_written():
    record = Record(
        {"values": Tensor(np.float32([1, 7]), np.uint64([0, 300]), (1000,))},
        {"score": Tensor(np.float32([0.5]))},
        "u",
        "m",
    )
    assert encode_record(record) == SPARSE
    assert encode_record(Record({"values": Tensor(np.int32([1, -2]))})) == INTEGERS


def test_values_that_are_not_packed_are_read_in_order():
    tensor = (
        b"\x0d"
        + np.float32(1.5).tobytes()
        + b"\x0d"
        + np.float32(2.5).tobytes()
        + b"\x10\x03\x10\x04\x18\x09"
    )
    payload = b"\x0a\x18\x0a\x02ab\x12\x12\x12\x10" + tensor
    found = decode_record(payload).features["ab"]
    assert found.values.tolist() == [1.5, 2.5]
    assert found.keys.tolist() == [3, 4]
    assert found.shape == (9,)


def test_byte_values_and_unknown_fields():
    record = Record({"image": Bytes((b"\x89PNG", b""))}, configuration='{"k": 1}')
    assert decode_record(b"\x78\x05" + encode_record(record) + b"\x7d1234") == record


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_packed_numbers_are_read_as_they_were_written(numbers):
    assert unpack_varints(memoryview(b"".join(map(encode_varint, numbers)))).tolist() == numbers


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a",
        b"\x0a\x05ab",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x03",
        b"\x00\x01",
        b"\x0a\x08\x12\x06\x12\x04\x0a\x02ab",
        b"\x1a\x01\xff",
        b"\x0a\x07\x12\x05\x3a\x03\x0a\x01\x80",
        b"\x0a\x06\x12\x04\x12\x02\x08\x01",
    ],
)
def test_malformed_messages_are_refused(payload):
    with pytest.raises(MalformedError):
        decode_record(payload)


@given(st.binary(max_size=60))
def test_any_bytes_either_decode_or_are_refused(payload):
    try:
        decode_record(payload)
    except MalformedError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
