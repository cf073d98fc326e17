import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from wildsage.formats.errors import FormatError
from wildsage.formats.ndarray import read_ndarrays, write_ndarrays

# mx.nd.save(path, [mx.nd.array([[1, 2, 3]])]), element type float32.
ONE_MATRIX = bytes.fromhex(
    """
    1201000000000000 0000000000000000 0100000000000000
    c9fa93f9 00000000 02000000 0100000000000000 0300000000000000 01000000 00000000 00000000
    0000803f 00000040 00004040
    0000000000000000
    """
)


def test_the_bytes_of_the_format():
    assert write_ndarrays([np.float32([[1, 2, 3]])]) == ONE_MATRIX
    arrays, names = read_ndarrays(ONE_MATRIX)
    assert arrays[0].tolist() == [[1, 2, 3]]
    assert names == []


@given(
    st.dictionaries(
        st.text(),
        st.sampled_from(["f4", "f8", "f2", "u1", "i4", "i1", "i8"]).flatmap(
            lambda dtype: npst.arrays(np.dtype(dtype), npst.array_shapes(max_side=4))
        ),
    )
)
def test_named_arrays_survive_the_round_trip(arrays):
    values, names = read_ndarrays(write_ndarrays(arrays))
    assert names == list(arrays)
    for value, original in zip(values, arrays.values(), strict=True):
        assert value.dtype == original.dtype
        assert np.array_equal(value, original, equal_nan=value.dtype.kind == "f")


def test_unsupported_arrays_are_refused():
    with pytest.raises(ValueError, match="complex128"):
        write_ndarrays([np.zeros(2, complex)])


@pytest.mark.parametrize("cut", range(len(ONE_MATRIX)))
def test_a_torn_file_is_refused(cut):
    with pytest.raises(FormatError, match="model_algo-1, byte"):
        read_ndarrays(ONE_MATRIX[:cut], "model_algo-1")


@given(st.data())
def test_damaged_files_never_crash_or_allocate(data):
    damaged = bytearray(ONE_MATRIX)
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays, _ = read_ndarrays(bytes(damaged))
        assert sum(array.nbytes for array in arrays) <= len(damaged)
    except FormatError as error:
        assert "byte" in str(error)  # noqa: PT017 - either outcome is right


def test_a_count_beyond_the_file_is_refused():
    with pytest.raises(FormatError, match="items announced"):
        read_ndarrays(struct.pack("<QQQ", 0x112, 0, 1 << 60))


def row_sparse(rows, shape=(4, 2), held=(2, 2)):
    """As MXNet 1.9 writes `mx.nd.save(file, array.tostype("row_sparse"))`."""
    values = np.arange(1, 1 + np.prod(held), dtype="<f4")
    head = struct.pack("<QQQIi", 0x112, 0, 1, 0xF993FAC9, 1)
    shapes = struct.pack(f"<I{len(held)}q", len(held), *held) + struct.pack(
        f"<I{len(shape)}q", len(shape), *shape
    )
    types = struct.pack("<iii", 1, 0, 0) + struct.pack("<iIq", 6, 1, len(rows))
    return head + shapes + types + values.tobytes() + np.array(rows, "<i8").tobytes() + struct.pack("<Q", 0)


def test_row_sparse_arrays_are_spread():
    (array,), _ = read_ndarrays(row_sparse([3, 0]))
    assert array.tolist() == [[3, 4], [0, 0], [0, 0], [1, 2]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (row_sparse([3, 4]), "rows of shape"),
        (row_sparse([3, -1]), "rows of shape"),
        (row_sparse([3, 0], shape=(4, 3)), "rows of shape"),
        (row_sparse([3], held=(2, 2)), "rows of shape"),
        (row_sparse([3, 0], shape=(1 << 40, 2)), "2 rows are given of an array of"),
    ],
)
def test_row_sparse_arrays_that_do_not_fit_are_refused(data, reason):
    with pytest.raises(FormatError, match=reason):
        read_ndarrays(data)
