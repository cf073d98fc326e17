import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from wildsage.formats.errors import FormatError
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records
from wildsage.formats.recordio_protobuf import read_rows, write_dense, write_predictions
from wildsage.formats.sparse import SparseRows

# Written by the SageMaker SDK: write_numpy_to_dense_tensor([[1, 2.5], [3, -4]], [0, 1]), all float32.
DENSE = bytes.fromhex(
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a080000803f0000204012120a0676616c756573120812060a0400000000"
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a0800004040000080c012120a0676616c756573120812060a040000803f"
)
# The same for [[1, -2.5]] in float64, without label.
DOUBLE = bytes.fromhex("0a23d7ce200000000a1e0a0676616c75657312141a120a10000000000000f03f00000000000004c0")


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
        (frame_record(encode_record(Record({"image": (b"x",)}))), "its features: image"),
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
