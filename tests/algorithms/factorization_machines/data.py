"""Real rows that come with scikit-learn, made wide and sparse, and rows with interactions by design."""

import numpy as np
from sklearn.datasets import load_digits

from wildsage.formats.sparse import SparseRows


def digits(seed=0):
    """Features, and whether the digit is 8: training and test parts."""
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    rows = (found.data[order] / 16).astype(np.float32)
    labels = (found.target[order] == 8).astype(np.float32)
    return (rows[:1400], labels[:1400]), (rows[1400:], labels[1400:])


def ratings(count=6000, seed=0):
    """One-hot users and films whose tastes are of rank 2: (count, 80) sparse rows, and ratings around 3."""
    rng = np.random.default_rng(seed)
    users, films = rng.normal(size=(30, 2)), rng.normal(size=(50, 2))
    user, film = rng.integers(30, size=count), rng.integers(50, size=count)
    labels = 3 + np.einsum("nf,nf->n", users[user], films[film]) + rng.normal(0, 0.1, count)
    columns = np.stack([user, 30 + film], axis=1).reshape(-1)
    rows = SparseRows(np.arange(0, 2 * count + 1, 2), columns, np.ones(2 * count, np.float32), 80)
    return rows, labels.astype(np.float32)
