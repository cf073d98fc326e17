import io
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from wildsage.formats import recordio
from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import Bytes, Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records, split_record
from wildsage.formats.recordio_frames import MAGIC_BYTES
from wildsage.formats.recordio_protobuf import (
    read_messages,
    read_rows,
    write_dense,
    write_predictions,
    write_sparse,
)
from wildsage.formats.sparse import SparseRows

# Written by the SageMaker SDK: write_numpy_to_dense_tensor([[1, 2.5], [3, -4]], [0, 1]), all float32.
DENSE = bytes.fromhex(
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a080000803f0000204012120a0676616c756573120812060a0400000000"
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a0800004040000080c012120a0676616c756573120812060a040000803f"
)
# The same for [[1, -2.5]] in float64, without label.
DOUBLE = bytes.fromhex("0a23d7ce200000000a1e0a0676616c75657312141a120a10000000000000f03f00000000000004c0")
# Written by the SDK: whole numbers (int64 arrays become 32 bits), and sparse rows of which the second has no entry.
INTEGERS = bytes.fromhex(
    "0a23d7ce2e0000000a1b0a0676616c75657312113a0f0a0d01feffffffffffffffff01ac02120f0a0676616c75657312053a030a01010000"
    "0a23d7ce310000000a150a0676616c756573120b3a090a070000ffffffff0712180a0676616c756573120e3a0c0a0affffffffffffffffff"
    "01000000"
)
SPARSE = bytes.fromhex(
    "0a23d7ce2e0000000a180a0676616c756573120e120c0a040000c03f1201011a010412120a0676616c756573120812060a040000803f0000"
    "0a23d7ce250000000a0f0a0676616c756573120512031a010412120a0676616c756573120812060a0400000000000000"
    "0a23d7ce330000000a1d0a0676616c756573121312110a0800000040000040c0120200031a010412120a0676616c756573120812060a0400"
    "00803f00"
)
SPARSE_DOUBLE = bytes.fromhex(
    "0a23d7ce200000000a1e0a0676616c75657312141a120a08000000000000f03f1201031a03f0a204"
    "0a23d7ce210000000a1f0a0676616c75657312151a130a0800000000000000401202ac021a03f0a204000000"
)
SPARSE_INTEGERS = bytes.fromhex(
    "0a23d7ce300000000a160a0676616c756573120c3a0a0a01011201031a02e80712160a0676616c756573120c1a0a0a08000000000000f03f"
    "0a23d7ce3a0000000a200a0676616c75657312163a140a0afeffffffffffffffff011202ac021a02e80712160a0676616c756573120c1a0a"
    "0a0800000000000000400000"
)
# Written by the protobuf library: two features, a label, and all texts.
FULL = bytes.fromhex(
    "0a1c0a05696d61676512134a110a0489504e471209696d6167652f706e670a160a0676616c756573120c120a0a080000803f0000004012"
    "180a0676616c756573120e3a0c0a0affffffffffffffffff011a017522016d2a077b2261223a317d"
)


def sparse_record(values, keys, shape, label=None):
    labels = {} if label is None else {"values": Tensor(np.float32([label]))}
    return frame_record(
        encode_record(Record({"values": Tensor(np.float32(values), np.uint64(keys), shape)}, labels))
    )


def test_bytes_of_the_sdk_are_read_and_written():
    (rows,) = read_rows(DENSE, "x")
    assert rows.features.tolist() == [[1, 2.5], [3, -4]]
    assert rows.labels.tolist() == [[0], [1]]
    assert write_dense(rows.features, rows.labels) == DENSE
    assert write_dense(np.float64([[1, -2.5]])) == DOUBLE
    (rows,) = read_rows(DOUBLE, "x")
    assert rows.features.dtype == np.float32
    assert rows.features.tolist() == [[1, -2.5]]


def test_whole_numbers_of_the_sdk_are_read_and_written():
    (rows,) = read_rows(INTEGERS, "x")
    assert rows.features.tolist() == [[1, -2, 300], [0, 0, np.float32(2**31 - 1)]]
    assert rows.labels.tolist() == [[1], [-1]]
    assert write_dense(np.array([[1, -2, 300], [0, 0, 2**31 - 1]]), np.array([1, -1])) == INTEGERS
    with pytest.raises(ValueError, match="whole numbers of 32 bits"):
        write_dense(np.array([[2**31]]))
    with pytest.raises(ValueError, match="not float16"):
        write_dense(np.float16([[1]]))


def test_sparse_rows_of_the_sdk_are_read_and_written():
    (rows,) = read_rows(SPARSE, "x")
    assert rows.features.dense().tolist() == [[0, 1.5, 0, 0], [0, 0, 0, 0], [2, 0, 0, -3]]
    assert rows.labels.tolist() == [[1], [0], [1]]
    assert write_sparse(rows.features, rows.labels) == SPARSE
    for data, labels in ((SPARSE_DOUBLE, []), (SPARSE_INTEGERS, [[1], [2]])):
        (rows,) = read_rows(data, "x")
        assert rows.features.columns.tolist() == [3, 300]
        assert rows.labels.tolist() == (labels or [[], []])
    assert rows.features.values.tolist() == [1, -2]


def test_records_keep_all_that_the_sdk_put_in():
    data = frame_record(FULL)
    (record,) = read_messages(data, "x")
    assert record.features["image"] == Bytes((b"\x89PNG",), "image/png")
    assert record.label["values"].values.tolist() == [-1]
    assert (record.uid, record.metadata, record.configuration) == ("u", "m", '{"a":1}')
    assert encode_record(record) == FULL
    (rows,) = read_rows(data, "x")
    assert (rows.features.tolist(), rows.labels.tolist()) == ([[1, 2]], [[-1]])
    for known in (DENSE, DOUBLE, INTEGERS, SPARSE, SPARSE_DOUBLE, SPARSE_INTEGERS):
        assert b"".join(frame_record(encode_record(record)) for record in read_messages(known, "x")) == known


TENSORS = st.builds(
    lambda values, dtype, sparse, shape: Tensor(
        np.array(values, dtype), np.arange(len(values), dtype=np.uint64) * 3 if sparse else None, shape
    ),
    st.lists(st.integers(-5, 300), max_size=5),
    st.sampled_from([np.float32, np.float64, np.int32]),
    st.booleans(),
    st.sampled_from([(), (20,), (300,), (5, 60)]),
)
RECORDS = st.builds(
    Record,
    st.fixed_dictionaries({"values": TENSORS}, optional={"more": TENSORS | st.just(Bytes((b"x",)))}),
    st.fixed_dictionaries({}, optional={"values": TENSORS}),
    st.sampled_from(["", "u", "longer" * 30]),
    st.sampled_from(["", "{}"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(RECORDS, st.integers(1, 6)), min_size=1, max_size=5), st.data())
def test_records_read_together_are_what_they_are_one_by_one(groups, data):
    frames = [frame_record(encode_record(record)) for record, times in groups for _ in range(times)]
    content = b"".join(frames)
    together, alone = outcome(content), []
    position = 0
    for frame in frames:
        one = outcome(frame)
        if isinstance(one, str):
            alone = one.replace("byte 0", f"byte {position}")
            break
        alone += one
        position += len(frame)
    assert together == alone


def outcome(content: bytes):
    """What reading gives, row by row, or the error's text."""
    found = []
    try:
        for rows in read_rows(content, "x"):
            features = rows.features
            for row in range(len(rows)):
                if isinstance(features, SparseRows):
                    part = slice(features.starts[row], features.starts[row + 1])
                    here = (features.width, features.columns[part].tolist(), features.values[part].tolist())
                else:
                    here = features[row].tolist()
                found.append((here, rows.labels[row].tolist()))
    except FormatError as error:
        return str(error)
    return found


class Trickle(io.RawIOBase):
    """A pipe: not seekable, and it gives less than it is asked for."""

    def __init__(self, data, most):
        self._data = io.BytesIO(data)
        self._most = most

    def read(self, size=-1):
        return self._data.read(min(size, self._most))


@pytest.mark.parametrize("window", [64, 300, 1 << 20])
def test_a_pipe_is_read_in_windows(window, monkeypatch):
    monkeypatch.setattr(recordio, "WINDOW", window)
    matrix = np.arange(4000, dtype=np.float32).reshape(100, 40)
    data = write_dense(matrix, np.arange(100, dtype=np.float32)) + SPARSE
    parts = list(read_rows(Trickle(data, 77), "x"))
    dense = [part.features for part in parts if isinstance(part.features, np.ndarray)]
    assert np.array_equal(np.concatenate(dense), matrix)
    assert parts[-1].features.dense().tolist()[-1] == [2, 0, 0, -3]
    begin = len(data) - len(SPARSE)
    for cut, message in (
        (3, f"byte {begin + 104}: .*but only"),
        (len(SPARSE) - 4, f"byte {begin}: .*inside"),
    ):
        with pytest.raises(FormatError, match=message):
            list(read_rows(Trickle(data[:-cut], 77), "x"))
    with pytest.raises(FormatError, match=f"byte {begin}: .*magic number"):
        list(read_rows(Trickle(data[: -len(SPARSE)] + b"junk" * 50, 77), "x"))


def test_a_long_file_of_one_kind_comes_in_few_blocks():
    matrix = np.arange(2_400_000, dtype=np.float32).reshape(30_000, 80)
    labels = np.arange(30_000, dtype=np.float32)
    data = write_dense(matrix, labels)
    assert data == b"".join(
        write_dense(matrix[part], labels[part]) for part in np.array_split(np.arange(30_000), 9)
    )
    parts = list(read_rows(io.BytesIO(data), "x"))
    assert np.array_equal(np.concatenate([part.features for part in parts]), matrix)
    assert np.array_equal(np.concatenate([part.labels for part in parts])[:, 0], labels)
    assert max(map(len, parts)) == 8192
    assert len(parts) < 20


def test_rows_do_not_hold_the_bytes_that_they_come_from():
    for count in (1, 5):
        (rows,) = read_rows(write_dense(np.ones((count, 3), np.float32), np.ones(count)), "x")
        assert rows.features.flags.owndata or rows.features.base.flags.owndata
        assert rows.features.flags.writeable


def test_a_record_of_several_parts_among_others():
    matrix = np.full((20, 4), np.frombuffer(MAGIC_BYTES, np.float32)[0])
    whole = write_dense(matrix)
    # The numbers begin at an odd place; uid brings them to a multiple of four.
    payload = encode_record(Record({"values": Tensor(matrix[0])}, uid="1234"))
    payload = encode_record(Record({}, uid="12")) + payload
    split = split_record(payload)
    assert len(split) > len(frame_record(payload))
    parts = list(read_rows(io.BytesIO(whole + split + whole), "x"))
    assert sum(map(len, parts)) == 41
    assert all((part.features == matrix[0]).all() for part in parts)


@settings(max_examples=50)
@given(
    npst.arrays(
        np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=300), elements=st.floats(width=32)
    )
)
def test_matrices_survive_the_round_trip(matrix):
    blocks = [rows.features for rows in read_rows(write_dense(matrix), "x", block=100)]
    assert np.array_equal(np.concatenate(blocks), matrix, equal_nan=True)
    assert max(map(len, blocks)) <= 100


def test_runs_of_different_kinds_are_told_apart():
    wide, narrow = np.float32([[1, 2, 3]] * 5), np.float32([[7, 8]])
    named = frame_record(encode_record(Record({"values": Tensor(np.float32([4, 5]))}, uid="id-7")))
    sparse = sparse_record([1.5], [2], (4,), 9) + sparse_record([], [], (4,), 8)
    runs = list(read_rows(write_dense(wide) + write_dense(narrow, np.float32([1])) + named + sparse, "x"))
    assert [run.features.tolist() for run in runs[:3]] == [wide.tolist(), [[7, 8]], [[4, 5]]]
    assert [run.labels.shape[1] for run in runs] == [0, 1, 0, 1]
    assert isinstance(runs[3].features, SparseRows)
    assert runs[3].features.dense().tolist() == [[0, 0, 1.5, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (frame_record(b"\x0a\x05ab"), "cut off"),
        (frame_record(b""), "no numeric feature 'values' \\(its features: none\\)"),
        (frame_record(encode_record(Record({"image": Bytes((b"x",))}))), "its features: image"),
        (sparse_record([1], [2], ()), "without shape"),
        (sparse_record([1], [2], (2,)), "key 2 is beyond the shape \\[2\\]"),
        (sparse_record([1, 2], [0], (2,)), "1 keys for 2 values"),
        (sparse_record([1], [0], (2**40, 2**40)), "more than"),
    ],
)
def test_a_bad_record_is_refused_with_file_and_offset(record, rule):
    good = write_dense(np.ones((3, 2), np.float32))
    with pytest.raises(FormatError, match=f"train/part-1, byte {len(good)}: .*{rule}"):
        list(read_rows(good + record, "train/part-1"))


def test_an_answer_holds_one_record_a_row():
    body = write_predictions({"closest_cluster": np.float32([1, 2]), "distance": np.float32([0.5, 3])})
    records = [decode_record(payload) for payload in read_records(body)]
    assert [list(record.label) for record in records] == [["closest_cluster", "distance"]] * 2
    assert [record.label["distance"].values.tolist() for record in records] == [[0.5], [3]]
    assert write_predictions({"score": np.zeros(0, np.float32)}) == b""


def fuzz(rounds: int, seed: int) -> None:
    """Damage good files at random: every outcome but rows or a FormatError is a defect."""
    source = random.Random(seed)
    good = [
        write_dense(np.arange(12, dtype=np.float32).reshape(3, 4), np.float32([1, 2, 3])),
        sparse_record([1, 2], [0, 300], (1000,), 1) * 2,
        frame_record(encode_record(Record({"values": Tensor(np.int32([1, -2]))}, uid="u", metadata="{}"))),
    ]
    for _ in range(rounds):
        data = bytearray(source.choice(good))
        for _ in range(source.randint(1, 4)):
            where = source.randrange(len(data))
            if source.random() < 0.2:
                del data[where : where + source.randint(1, 8)]
            else:
                data[where] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
            data = data or bytearray(b"\0")
        try:
            for rows in read_rows(bytes(data), "fuzzed"):
                assert len(rows.labels)
        except FormatError as error:
            assert str(error).startswith("fuzzed, byte ")  # noqa: PT017 - either outcome is right


def test_damaged_files_give_rows_or_a_precise_error():
    fuzz(3000, seed=1)


@pytest.mark.faults
def test_a_million_damaged_files():
    fuzz(1_000_000, seed=2)


def test_uniform_files_are_read_as_arrays():
    matrix = np.random.default_rng(0).random((100_000, 64)).astype(np.float32)
    data = write_dense(matrix)
    began = time.process_time()
    total = sum(len(rows.labels) for rows in read_rows(data, "x"))
    assert total == len(matrix)
    # Record by record it takes seconds.
    assert time.process_time() - began < 1.0
