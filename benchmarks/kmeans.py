"""K-Means against scikit-learn in the same run: seconds for one epoch, and msd relative to full Lloyd.

    python benchmarks/kmeans.py

Wildsage keeps ten times k centres and shrinks them; MiniBatchKMeans keeps k. A ratio above 1 means that
Wildsage is faster.
"""

import time
import warnings

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_digits

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.web_scale import Settings, WebScaleKMeans, automatic_factor, automatic_trials

BATCH = 5000


def ours(rows, k, seed=0):
    settings = Settings(k, automatic_factor(k), 0, "random", "kmeans++", 300, automatic_trials(), 1e-4)
    rng = np.random.default_rng(seed)
    model = WebScaleKMeans(settings, rng)
    order = rng.permutation(len(rows))
    for start in range(0, len(rows), BATCH):
        model.observe(rows[order[start : start + BATCH]])
    return model.finish()


def mini_batch(rows, k, seed=0):
    return (
        MiniBatchKMeans(k, batch_size=BATCH, max_iter=1, n_init=1, random_state=seed)
        .fit(rows)
        .cluster_centers_
    )


def msd(rows, centres):
    origin = centres.mean(axis=0)
    labels, _ = assign(rows - origin, centres - origin)
    return float(squared_distances(rows, centres, labels).mean(dtype=np.float64))


def fastest(function, *arguments, repeat=3):
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - began)
    return min(seconds), result


def blobs(n, d, k):
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 3, (k, d))
    return (centres[rng.integers(k, size=n)] + rng.normal(0, 1, (n, d))).astype(np.float32)


def main():
    warnings.simplefilter("ignore")
    digits = load_digits().data.astype(np.float32)
    cases = [
        ("digits 1797x64, k=10", digits, 10),
        ("digits x100, k=10", np.repeat(digits, 100, axis=0), 10),
        ("blobs 100000x64, k=20", blobs(100_000, 64, 20), 20),
        ("blobs 50000x784, k=10", blobs(50_000, 784, 10), 10),
        ("blobs 100000x32, k=100", blobs(100_000, 32, 100), 100),
    ]
    print(
        f"{'case':26} {'wildsage s':>10} {'sklearn s':>10} {'ratio':>6} {'msd / sklearn epoch':>20} {'msd / Lloyd':>12}"
    )
    for name, rows, k in cases:
        (a, centres), (b, theirs) = fastest(ours, rows, k), fastest(mini_batch, rows, k)
        sample = rows[:: max(1, len(rows) // 20_000)]
        full = KMeans(k, n_init=10, random_state=0).fit(sample).cluster_centers_
        score = msd(sample, centres)
        print(
            f"{name:26} {a:10.3f} {b:10.3f} {b / a:6.2f} {score / msd(sample, theirs):20.4f} {score / msd(sample, full):12.4f}"
        )


if __name__ == "__main__":
    main()
