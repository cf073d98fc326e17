import numpy as np
import pytest

from wildsage.algorithms.randomcutforest.sampling import Reservoir, deal, smallest


def reservoir_of(rows, capacity, seed, batch):
    reservoir = Reservoir(capacity, 1, np.random.default_rng(seed))
    for start in range(0, len(rows), batch):
        reservoir.observe(rows[start : start + batch])
    return reservoir


def numbers(count):
    return np.arange(count, dtype=np.float32)[:, np.newaxis]


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_each_row_is_as_likely_as_any_other(batch):
    counts = np.zeros(100)
    for seed in range(400):
        rows, _ = reservoir_of(numbers(100), 10, seed, batch).sample()
        assert len(np.unique(rows)) == 10
        counts[rows[:, 0].astype(int)] += 1
    # 400 draws with probability 0.1: 40 expected, standard deviation 6.
    assert counts.sum() == 4000
    assert abs(counts - 40).max() < 4 * 6
    assert counts.var() == pytest.approx(36, rel=0.5)


def test_the_batch_size_does_not_matter():
    found = [reservoir_of(numbers(5000), 50, 3, batch).sample()[0] for batch in (1, 999, 5000)]
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()


def test_a_short_stream_is_its_own_sample():
    rows, keys = reservoir_of(numbers(5), 10, 0, 2).sample()
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert len(keys) == 5


def test_memory_stays_bounded():
    reservoir = Reservoir(10, 1, np.random.default_rng(0))
    for _ in range(1000):
        reservoir.observe(numbers(20))
        assert sum(map(len, reservoir._parts)) <= 20
    assert reservoir.seen == 20_000


def test_samples_of_parts_make_a_sample_of_the_whole():
    rows = numbers(300)
    parts = [reservoir_of(rows[host::3], 20, host, 50).sample() for host in range(3)]
    together, keys = smallest(
        np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), 20
    )
    everything = np.concatenate([p[1] for p in parts])
    assert sorted(keys) == sorted(everything)[:20]
    assert len(np.unique(together)) == 20


def test_a_large_sample_is_partitioned():
    rows = deal(1000, 10, 100, np.random.default_rng(0))
    assert rows.shape == (10, 100)
    assert sorted(rows.reshape(-1)) == list(range(1000))


@pytest.mark.parametrize(
    ("count", "size"), [(12_799, 256), (2560, 256), (1500, 150), (641, 64), (63, 63), (1, 1)]
)
def test_trees_of_a_small_sample_share_its_rows(count, size):
    rows = deal(count, 50, 256, np.random.default_rng(0))
    assert rows.shape == (50, size)
    assert all(len(np.unique(tree)) == size for tree in rows)
