"""``train``: stream the rows, shrink, score, and write the centres.

There is no hyperparameter for a seed; equal input gives an equal model.
"""

import time
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.web_scale import (
    Settings,
    TooFewRowsError,
    WebScaleKMeans,
    WeightedPoints,
    automatic_factor,
    automatic_trials,
    moved,
    shrink,
    totals,
)
from wildsage.formats.ndarray import write_ndarrays
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.training import TrainingRun

_LAST_STEPS = 2
_SEED = 0


def train(run: TrainingRun) -> None:
    """Train on this host's rows; the first host shrinks what all made of theirs, scores and writes ``model_algo-1``."""
    parameters = run.hyperparameters
    rng = np.random.default_rng(_SEED)
    data = Batches(run.required_channel("train"), parameters["feature_dim"], parameters["mini_batch_size"])
    started = time.time()
    settings = _settings(parameters)
    LOGGER.info("%d centres (k times extra_center_factor) are kept", settings.k * settings.factor)
    model = WebScaleKMeans(settings, rng)
    _run_epochs(model, data, parameters["epochs"], rng, run.metrics)
    with run.collective() as hosts:
        parts = _gather(hosts, model.summary())
        with run.metrics.timed("finalize.time"):
            centres = _shrink(parts, settings, rng) if hosts.is_first else np.zeros(0, np.float32)
            centres = _settled(data, centres, hosts)
    if hosts.is_first:
        test = run.channel("test")
        if test is None:
            LOGGER.info("Test data is not provided.")
        else:
            _score(Batches(test, parameters["feature_dim"], parameters["mini_batch_size"]), centres, run)
        with run.metrics.timed("model.serialize.time"):
            (run.paths.model / MODEL_FILE).write_bytes(write_ndarrays([centres]))
    run.metrics.end(started, parameters["epochs"])


def _settings(parameters: Any) -> Settings:
    k = parameters["k"]
    factor = parameters["extra_center_factor"]
    trials = parameters["local_lloyd_num_trials"]
    return Settings(
        k=k,
        factor=automatic_factor(k) if factor == "auto" else factor,
        half_life=parameters["half_life_time_size"],
        init_method=parameters["init_method"],
        lloyd_init_method=parameters["local_lloyd_init_method"],
        lloyd_max_iterations=parameters["local_lloyd_max_iter"],
        lloyd_trials=automatic_trials() if trials == "auto" else trials,
        lloyd_tolerance=parameters["local_lloyd_tol"],
    )


def _run_epochs(
    model: WebScaleKMeans, data: Batches, epochs: int, rng: Generator, metrics: MetricLog
) -> None:
    data.keep_if_small()
    for epoch in range(epochs):
        began, started = time.perf_counter(), time.time()
        rows = batches = 0
        loss = 0.0
        for batch in data.matrices(rng):
            with metrics.timed("update.time"):
                loss += model.observe(batch)
            rows += len(batch)
            batches += 1
        metrics.quality("train", "msd", loss / rows, epoch=epoch)
        metrics.progress(epoch + 1, epochs)
        metrics.write(started, {"Total Records Seen": rows, "Total Batches Seen": batches}, epoch=epoch)
        metrics.throughput(rows, time.perf_counter() - began)


def _gather(hosts: Collective, own: WeightedPoints) -> list[WeightedPoints]:
    points, weights = hosts.gather(own.points), hosts.gather(own.weights)
    return [WeightedPoints(*part) for part in zip(points, weights, strict=True)]


def _settled(data: Batches, centres: NDArray[np.float32], hosts: Collective) -> NDArray[np.float32]:
    """Take last steps of Lloyd's iteration on the rows themselves, where all hosts keep theirs in memory."""
    if hosts.sum(np.array([float(data.rows_kept is None)])).any():
        return centres
    centres = hosts.share(centres)
    for _ in range(_LAST_STEPS):
        sums, counts = totals(data.matrices(), centres)
        centres = moved(centres, hosts.sum(sums), hosts.sum(counts))
    return centres


def _shrink(parts: list[WeightedPoints], settings: Settings, rng: Generator) -> NDArray[np.float32]:
    try:
        return shrink(parts, settings, rng)
    except TooFewRowsError as error:
        raise UserError(f"{error}: give more data or a smaller k") from error


def _score(data: Batches, centres: NDArray[np.float32], run: TrainingRun) -> None:
    origin = centres.mean(axis=0)
    shifted = centres - origin
    total = 0.0
    rows = 0
    for batch in data.matrices():
        points = batch - origin
        labels, _ = assign(points, shifted)
        total += float(squared_distances(points, shifted, labels).sum(dtype=np.float64))
        rows += len(batch)
    scores = {"msd": total / rows, "ssd": total}
    for name, score in scores.items():
        if name in run.hyperparameters["eval_metrics"] or run.objective == f"test:{name}":
            run.metrics.quality("test", name, score)
            run.metrics.score("test", name, score)
