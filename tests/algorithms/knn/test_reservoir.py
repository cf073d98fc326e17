import numpy as np
import pytest

from wildsage.algorithms.knn.reservoir import Reservoir


def drawn(rows, size, seed=0, batch=7, transform=np.asarray):
    reservoir = Reservoir(size, rows.shape[1], transform, np.random.default_rng(seed))
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        reservoir.observe(part, part[:, 0])
    return reservoir


ROWS = np.arange(100, dtype=np.float32).reshape(50, 2)


def test_rows_and_labels_stay_together():
    sample = drawn(ROWS, 20)
    assert len(sample) == 20
    assert sample.seen == 50
    assert len(set(sample.labels)) == 20
    np.testing.assert_array_equal(sample.points[:, 0], sample.labels)
    np.testing.assert_array_equal(sample.points[:, 1], sample.labels + 1)


@pytest.mark.parametrize("size", [50, 51, 1000])
def test_fewer_rows_than_the_sample_are_all_kept_in_order(size):
    np.testing.assert_array_equal(drawn(ROWS, size).points, ROWS)


def test_batches_do_not_matter():
    for batch in (1, 20, 50):
        np.testing.assert_array_equal(drawn(ROWS, 20, batch=batch).points, drawn(ROWS, 20).points)


def test_every_row_is_as_likely_as_any_other():
    runs = 1500
    counts = np.zeros(50)
    for seed in range(runs):
        counts[(drawn(ROWS, 10, seed).labels / 2).astype(int)] += 1
    # Binomial with p = 1/5: five standard deviations.
    assert np.abs(counts / runs - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / runs)


def test_only_kept_rows_are_transformed():
    seen = []

    def halved(rows):
        seen.append(len(rows))
        return rows[:, :1] / 2

    reservoir = Reservoir(10, 1, halved, np.random.default_rng(0))
    reservoir.observe(np.ones((10_000, 2), np.float32), np.zeros(10_000, np.float32))
    assert sum(seen) < 200
    assert reservoir.points.tolist() == [[0.5]] * 10


def test_none_is_kept_of_a_sample_without_places():
    assert drawn(ROWS, 0).points.shape == (0, 2)
