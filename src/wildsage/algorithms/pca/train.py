"""``train``: a pass over the rows, then the components of what was kept of them."""

import time

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.pca.components import (
    Components,
    Moments,
    components_from,
    components_of,
    first_basis,
    lost,
    orthonormal,
)
from wildsage.formats.ndarray import write_ndarrays
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.training import TrainingRun

_BLOCK = 1 << 22
"""Numbers that a step takes at least: the result does not depend on the batch size, the speed does."""
_LEAST_EXTRA = 10
_COARSE_PASSES = 2
_SEED = 0


def train(run: TrainingRun) -> None:
    """See this host's rows, add up with the other hosts, and write ``model_algo-1`` on the first."""
    parameters = run.hyperparameters
    width, k = parameters["feature_dim"], parameters["num_components"]
    started = time.time()
    data = _batches(run, "train")
    LOGGER.info("%d feature(s) found in 'data'.", width)
    with run.collective() as hosts:
        if parameters["algorithm_mode"] == "regular":
            scatter, mean = _pass(run, data, hosts, None)
            with run.metrics.timed("finalize.time"):
                model = components_of(scatter, mean, k)
        else:
            model = _randomized(run, data, hosts)
    if hosts.is_first:
        _score(run, model)
        with run.metrics.timed("model.serialize.time"):
            (run.paths.model / MODEL_FILE).write_bytes(_encode(model))
    run.metrics.end(started, 1)


def _batches(run: TrainingRun, channel: str) -> Batches:
    width = run.hyperparameters["feature_dim"]
    size = max(run.hyperparameters["mini_batch_size"], _BLOCK // width)
    return Batches(run.required_channel(channel), width, size)


def _randomized(run: TrainingRun, data: Batches, hosts: Collective) -> Components:
    """Look for the space of the main directions, then for the directions in it; a FIFO is read once only."""
    parameters = run.hyperparameters
    k, extra = parameters["num_components"], parameters["extra_components"]
    size = k + (max(_LEAST_EXTRA, k) if extra == -1 else extra)
    basis = first_basis(parameters["feature_dim"], size, np.random.default_rng(_SEED))
    data.keep_if_small()
    # A FIFO is read once, and what is seen last has to be exact.
    for _ in range(0 if data.channel.is_streamed else _COARSE_PASSES):
        basis = orthonormal(_pass(run, data, hosts, basis, coarse=True)[0])
    products, mean = _pass(run, data, hosts, basis)
    with run.metrics.timed("finalize.time"):
        return components_from(products, basis, mean, k)


def _pass(
    run: TrainingRun,
    data: Batches,
    hosts: Collective,
    basis: NDArray[np.float64] | None,
    *,
    coarse: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the scatter of all hosts' rows, or its product with a basis; returns it and the mean taken from them."""
    width = run.hyperparameters["feature_dim"]
    began, started = time.perf_counter(), time.time()
    moments = Moments(width, basis, coarse=coarse)
    batches = 0
    for batch in data.matrices():
        with run.metrics.timed("update.time"):
            moments.observe(batch)
        batches += 1
    run.metrics.progress(1, 1)
    counts: dict[str, float] = {"Total Records Seen": moments.count, "Total Batches Seen": batches}
    run.metrics.write(started, counts, epoch=0)
    run.metrics.throughput(moments.count, time.perf_counter() - began)
    mean = np.zeros(width)
    if run.hyperparameters["subtract_mean"]:
        count = hosts.sum(np.array([float(moments.count)]))
        mean = hosts.sum(moments.count * moments.mean) / count
    return hosts.sum(moments.scatter(mean)), mean


def _score(run: TrainingRun, model: Components) -> None:
    if run.channel("test") is None:
        LOGGER.info("Test data is not provided.")
        return
    loss = lost(_batches(run, "test").matrices(), model)
    run.metrics.quality("test", "reconstruction_mse", loss)
    run.metrics.score("test", "reconstruction_mse", loss)


def _encode(model: Components) -> bytes:
    arrays = {
        "mean": model.mean[np.newaxis],
        "v": model.directions,
        "s": model.singular_values,
    }
    return write_ndarrays({name: array.astype(np.float32) for name, array in arrays.items()})
