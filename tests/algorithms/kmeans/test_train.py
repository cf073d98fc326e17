import numpy as np
import pytest

from wildsage.algorithms.kmeans.train import _Data
from wildsage.formats.content_types import ContentType
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.channels import ChannelReader


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_streamed_batches_hold_every_row_once_and_in_order(tmp_path, batch_size):
    rows = np.arange(500, dtype=np.float32).reshape(250, 2)
    folder = tmp_path / "train"
    folder.mkdir()
    for name, part in (("a", rows[:3]), ("b", rows[3:200]), ("c", rows[200:])):
        (folder / name).write_bytes(write_dense(part))
    data = _Data(
        ChannelReader("train", folder, ContentType("application/x-recordio-protobuf")), 2, batch_size
    )
    batches = list(data.batches(None))
    assert np.array_equal(np.concatenate(batches), rows)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    data.keep_if_small()
    shuffled = np.concatenate(list(data.batches(np.random.default_rng(0))))
    assert not np.array_equal(shuffled, rows)
    assert np.array_equal(np.sort(shuffled, axis=0), rows)
