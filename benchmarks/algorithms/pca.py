"""PCA beside scikit-learn's full and randomized solvers: the space that is found, training time, and memory.

Quality of ``regular`` is the largest angle between its space and the exact one; of ``randomized`` what is lost of the
rows, against scikit-learn's randomized solver at equal oversampling.
"""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from scipy.linalg import subspace_angles
from sklearn import decomposition

from benchmarks.algorithms.comparison import Comparison, Target, alternate
from benchmarks.algorithms.data import Matrix, bundled, fashion_mnist
from wildsage.algorithms.pca import PCA
from wildsage.formats.ndarray import read_ndarrays
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.local import Files, LocalContainer
from wildsage.toolkit.model_files import MODEL_FILE

NAME = "PCA"
_MODULE = "wildsage.algorithms.pca"
_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process in between: a process begins with the peak of the one that starts it, and this one's is large."""
_MEGABYTE = 1 << 10
"""Of kilobytes, in which the kernel counts resident memory."""


def ours(rows: Matrix, k: int, mode: str = "regular") -> PCA:
    return PCA(num_components=k, algorithm_mode=mode).fit(rows)


def theirs(rows: Matrix, k: int, solver: str, seed: int = 0) -> decomposition.PCA:
    return decomposition.PCA(k, svd_solver=solver, random_state=seed).fit(rows)


def directions(model: PCA) -> Matrix:
    """Return (d, k), as the artifact has them."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        arrays, names = read_ndarrays(Path(folder, MODEL_FILE).read_bytes())
    return dict(zip(names, arrays, strict=True))["v"]


def lost(rows: Matrix, found: Matrix) -> float:
    """Mean squared distance of rows to what the directions (d, k) give back."""
    centred = rows - rows.mean(axis=0)
    return float(np.square(centred - centred @ found @ found.T).sum(axis=1).mean(dtype=np.float64))


def compare(seeds: int) -> Iterator[Comparison]:
    logging.disable(logging.INFO)
    fashion = fashion_mnist()[0]
    for data, rows, k in (
        ("iris", bundled("iris")[0], 2),
        ("wine", bundled("wine")[0], 5),
        ("breast cancer", bundled("breast_cancer")[0], 5),
        ("digits", bundled("digits")[0], 20),
        ("Fashion-MNIST, 60,000 rows", fashion, 50),
    ):
        yield _angle(f"{data}, k = {k}", rows, k, seeds)
    for data, rows, k in (("digits", bundled("digits")[0], 20), ("Fashion-MNIST", fashion[:10_000], 50)):
        yield _randomized(f"{data}, {len(rows)} rows, k = {k}", rows, k, seeds)
    for mode, solver in (
        ("regular", "full"),
        ("regular", "covariance_eigh"),
        ("regular", "randomized"),
        ("randomized", "randomized"),
    ):
        yield _speed(fashion, 50, mode, solver, seeds)
    yield _memory(fashion, seeds)


def _angle(data: str, rows: Matrix, k: int, seeds: int) -> Comparison:
    exact = theirs(rows.astype(np.float64), k, "full").components_.T
    orders = (np.random.default_rng(seed).permutation(rows) for seed in range(seeds))
    angles = tuple(float(subspace_angles(directions(ours(one, k)), exact).max()) for one in orders)
    peer = "scikit-learn full, double precision"
    return Comparison(NAME, data, "largest angle", angles, peer, target=Target("value", most=1e-4))


def _randomized(data: str, rows: Matrix, k: int, seeds: int) -> Comparison:
    orders = (np.random.default_rng(seed).permutation(rows) for seed in range(seeds))
    own = tuple(lost(rows, directions(ours(one, k, "randomized"))) for one in orders)
    peer = [
        decomposition.PCA(
            k, svd_solver="randomized", n_oversamples=max(10, k), iterated_power=2, random_state=seed
        ).fit(rows)
        for seed in range(seeds)
    ]
    found = tuple(lost(rows, one.components_.T) for one in peer)
    label = "scikit-learn randomized, equal oversampling, 2 iterations"
    return Comparison(NAME, data, "randomized: lost of a row", own, label, found, Target("ratio", most=1.001))


def _speed(rows: Matrix, k: int, mode: str, solver: str, rounds: int) -> Comparison:
    seconds = alternate(partial(ours, rows, k, mode), partial(theirs, rows, k, solver), rounds)
    mine, peers = (tuple(len(rows) / second for second in side) for side in seconds)
    # scikit-learn's covariance solver is our own method, in memory: told for information.
    target = None if solver == "covariance_eigh" else Target("ratio", least=1)
    data = f"Fashion-MNIST, 60,000 rows, k = {k}"
    return Comparison(NAME, data, f"{mode}: rows/s trained", mine, f"scikit-learn {solver}", peers, target)


def _memory(rows: Matrix, rounds: int) -> Comparison:
    """Peak of a job's resident memory with four times the rows, against that with the rows once.

    The blocks of the readers are full from some ten thousand rows on.
    """
    records = write_dense(rows[:15_000])
    peaks = [(_peak([records] * 16), _peak([records] * 4)) for _ in range(rounds)]
    four, once = zip(*peaks, strict=True)
    return Comparison(
        NAME,
        "240,000 rows in 16 objects",
        "MiB at most",
        four,
        "the same with 60,000 rows",
        once,
        Target("ratio", most=1.05),
    )


def _peak(objects: list[bytes]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        container = LocalContainer(_MODULE, Path(folder))
        files = {f"part-{number}": content for number, content in enumerate(objects)}
        hyperparameters = {"feature_dim": "784", "num_components": "50", "mini_batch_size": "500"}
        container.prepare(hyperparameters, {"train": Files(None, files)})
        command = [sys.executable, "-m", "wildsage.toolkit", "train", _MODULE]
        ended = subprocess.run(
            [sys.executable, "-c", _MEASURED, *command],
            env={**os.environ, "SAGEMAKER_BASE_DIR": folder},
            stdout=subprocess.PIPE,
            check=True,
        )
    return int(ended.stdout) / _MEGABYTE
