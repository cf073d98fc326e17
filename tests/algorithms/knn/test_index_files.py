import faiss
import numpy as np
import pytest

from wildsage.algorithms.knn.index_files import read_index, write_faiss, write_flat
from wildsage.algorithms.knn.inverted import build
from wildsage.formats import extras
from wildsage.toolkit.errors import AlgorithmError, UserError

ROWS = np.float32([[1, 2], [3, 4], [5, 6]])
FROZEN = (
    "49784632020000000300000000000000000010000000000000001000000000000101000000"
    "06000000000000000000803f0000004000004040000080400000a0400000c040"
)  # fmt: skip


def written(path, metric):
    with path.open("wb") as stream:
        write_flat(stream, ROWS, metric)
    return path


def test_the_bytes_of_a_flat_index(tmp_path):
    assert written(tmp_path / "index", "L2").read_bytes().hex() == FROZEN


@pytest.mark.parametrize(
    ("metric", "peer"), [("L2", faiss.IndexFlatL2), ("INNER_PRODUCT", faiss.IndexFlatIP)]
)
def test_faiss_reads_and_writes_the_same(tmp_path, metric, peer):
    path = written(tmp_path / "index", metric)
    index = faiss.read_index(str(path))
    np.testing.assert_array_equal(index.reconstruct_n(0, 3), ROWS)
    theirs = peer(2)
    assert (type(index), index.metric_type) == (peer, theirs.metric_type)
    theirs.add(ROWS)
    faiss.write_index(theirs, str(tmp_path / "theirs"))
    assert path.read_bytes() == (tmp_path / "theirs").read_bytes()
    ours = read_index(tmp_path / "theirs")
    assert (ours.count, ours.dimension, ours.metric) == (3, 2, metric)


def test_an_index_with_lists_comes_back_with_its_count_of_lists_to_search(tmp_path):
    rows = np.random.default_rng(0).random((100, 4)).astype(np.float32)
    write_faiss(tmp_path / "index", build(rows, "L2", 9, None))
    assert faiss.read_index(str(tmp_path / "index")).nprobe == 3
    assert read_index(tmp_path / "index").search(rows, 1)[1][:, 0].tolist() == list(range(100))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-4], "index says that it has 3 rows of 2 numbers, but has 65 bytes"),
        (lambda content: content[:20], "ends within its header: 20 bytes"),
        (lambda content: content[:8] + bytes(8) + content[16:], "says that it has 0 rows"),
        (lambda content: content[:4] + b"\xff" * 4 + content[8:], "says that it has 3 rows of -1"),
        (lambda content: b"nonsense" + content, "index holds no index of FAISS"),
        (lambda content: b"", "index holds no index of FAISS"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, change, reason):
    path = written(tmp_path / "index", "L2")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=reason):
        read_index(path)


def test_an_empty_index_is_told(tmp_path):
    faiss.write_index(faiss.IndexHNSWFlat(4, 8), str(tmp_path / "index"))
    with pytest.raises(UserError, match="index without rows"):
        read_index(tmp_path / "index")


def test_without_faiss_only_flat_indexes_are_read(tmp_path, monkeypatch):
    write_faiss(tmp_path / "lists", build(ROWS, "L2", 1, None))
    monkeypatch.setattr(extras, "installed", lambda library: False)
    assert read_index(written(tmp_path / "flat", "L2")).count == 3
    with pytest.raises(AlgorithmError, match=r"the index in lists needs the library faiss.*wildsage\[knn\]"):
        read_index(tmp_path / "lists")
