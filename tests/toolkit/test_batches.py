import numpy as np
import pytest

from wildsage.formats.content_types import ContentType
from wildsage.formats.recordio_protobuf import write_dense, write_sparse
from wildsage.formats.sparse import SparseRows, from_dense
from wildsage.toolkit import batches
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.channels import ChannelReader
from wildsage.toolkit.errors import UserError

ROWS = np.arange(1, 501, dtype=np.float32).reshape(250, 2)
LABELS = np.arange(250, dtype=np.float32)


def channel(folder, files, content_type="application/x-recordio-protobuf"):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return ChannelReader("train", folder, ContentType.parse(content_type))


def labelled(folder):
    """Three files, the one in the middle sparse."""
    return channel(
        folder,
        {
            "a": write_dense(ROWS[:3], LABELS[:3]),
            "b": write_sparse(from_dense(ROWS[3:200]), LABELS[3:200]),
            "c": write_dense(ROWS[200:], LABELS[200:]),
        },
    )


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_streamed_batches_hold_every_row_once_and_in_order(tmp_path, size):
    batches = list(Batches(labelled(tmp_path), 2, size).matrices())
    assert np.array_equal(np.concatenate(batches), ROWS)
    assert {len(batch) for batch in batches[:-1]} <= {size}


def test_a_small_channel_is_kept_and_shuffled(tmp_path):
    data = Batches(labelled(tmp_path), 2, 7, needs_label=True, keeps_sparse=True)
    assert data.rows_kept is None
    data.keep_if_small()
    assert data.rows_kept == 250
    for file in tmp_path.iterdir():
        file.unlink()
    rows = list(data.batches(np.random.default_rng(0)))
    labels = np.concatenate([part.labels[:, 0] for part in rows])
    assert not np.array_equal(labels, LABELS)
    assert np.array_equal(np.sort(labels), LABELS)
    assert all(isinstance(part.features, SparseRows) for part in rows)
    assert np.array_equal(np.concatenate([part.features.dense() for part in rows]), ROWS[labels.astype(int)])


@pytest.mark.parametrize("keeps_sparse", [False, True])
def test_rows_are_as_sparse_as_the_algorithm_takes_them(tmp_path, keeps_sparse):
    data = Batches(labelled(tmp_path), 2, 50, keeps_sparse=keeps_sparse)
    kinds = [isinstance(part.features, SparseRows) for part in data.batches()]
    assert kinds == [keeps_sparse] * 4 + [False]
    assert np.array_equal(np.concatenate(list(data.matrices())), ROWS)


def test_labels_are_left_out_where_nobody_needs_them(tmp_path):
    (first, *_) = Batches(labelled(tmp_path), 2, 50).batches()
    assert first.labels.shape == (50, 0)


def test_the_first_row_says_how_wide_all_are(tmp_path):
    data = Batches(channel(tmp_path, {"a": b"1,2,3\n", "b": b"1,2,3,4\n"}, "text/csv;label_size=0"), None, 5)
    with pytest.raises(UserError, match=r"has 4 features, but the hyperparameter feature_dim is 3\.$"):
        list(data.batches())
    assert data.feature_dim == 3


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (b"1,2\n", "text/csv", "has 1 features, .* is 2. The first column was taken as a label"),
        (b"1,2\n", "text/csv;label_size=0", "'train'. Every record needs one label; found 0."),
        (b"", "text/csv", "Unable to read data channel 'train'. The files hold no rows."),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, content, content_type, message):
    data = Batches(channel(tmp_path, {"a": content}, content_type), 2, 5, needs_label=True)
    with pytest.raises(UserError, match=message):
        list(data.batches())


@pytest.mark.parametrize("size", [1, 90, 250, 1000])
def test_rows_that_are_shuffled_part_by_part_have_batches_of_one_size(tmp_path, size, monkeypatch):
    monkeypatch.setattr(batches, "_ROWS_TOGETHER", 100)
    data = Batches(labelled(tmp_path), 2, size)
    data.keep_if_small()
    epoch = list(data.matrices(np.random.default_rng(0)))
    assert {len(batch) for batch in epoch[:-1]} <= {size}
    assert np.array_equal(np.sort(np.concatenate(epoch)[:, 0]), ROWS[:, 0])
    order = np.random.default_rng(0).permutation(250)
    assert np.array_equal(np.concatenate(epoch), ROWS[order])
