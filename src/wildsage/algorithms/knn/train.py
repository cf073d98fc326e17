"""``train``: draw a sample of the rows in one pass, and make an index of it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wildsage.algorithms.knn.flat import Matrix, Metric
from wildsage.algorithms.knn.index_files import write_faiss, write_flat
from wildsage.algorithms.knn.inverted import build, faiss
from wildsage.algorithms.knn.model import normalized, read_model, widened
from wildsage.algorithms.knn.reduction import Reduction
from wildsage.algorithms.knn.reservoir import Reservoir
from wildsage.algorithms.knn.settings import Settings
from wildsage.algorithms.knn.spec import multiple_of
from wildsage.algorithms.knn.votes import Labels, accuracy, macro_f1, mean_squared_error
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import Direction
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.training import TrainingRun

_SEED = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the index is made of.

    Attributes
    ----------
    points
        (n, d): rows, reduced where they are to be.
    labels
        (n,).
    """

    points: Matrix
    labels: Labels


def train(run: TrainingRun) -> None:
    """Sample this host's rows; the first host makes an index of what all have drawn, and scores it."""
    kind = run.hyperparameters["index_type"]
    if kind != "faiss.Flat":
        faiss(f"index_type {kind}")  # said before the data is read
    started = time.time()
    reduction = _reduction(run)
    with run.collective() as hosts:
        sample = _gather(run, hosts, _draw(run, hosts, reduction))
    if hosts.is_first:
        _write(run, sample, reduction)
        _score(run)
    run.metrics.end(started, 1)


def _reduction(run: TrainingRun) -> Reduction | None:
    parameters = run.hyperparameters
    if "dimension_reduction_type" not in parameters:
        return None
    target = multiple_of(_parts(run) or 1, parameters["dimension_reduction_target"])
    return Reduction(parameters["dimension_reduction_type"], _SEED, parameters["feature_dim"], target)


def _parts(run: TrainingRun) -> int | None:
    parameters = run.hyperparameters
    return parameters["faiss_index_pq_m"] if parameters["index_type"] == "faiss.IVFPQ" else None


# The sample.


def _draw(run: TrainingRun, hosts: Collective, reduction: Reduction | None) -> Sample:
    """See this host's rows once."""
    parameters = run.hyperparameters
    count = len(run.environment.hosts)
    size, rest = divmod(parameters["sample_size"], count)
    size += hosts.rank < rest
    LOGGER.info(
        "Using per-worker sample size = %d (Available virtual memory = %d bytes, GPU free memory = 0 bytes, number "
        "of workers = %d). If an out-of-memory error occurs, choose a larger instance type, use dimension reduction, "
        "decrease sample_size, and/or decrease mini_batch_size.",
        size,
        os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        count,
    )
    rng = np.random.default_rng([_SEED, hosts.rank])
    if reduction is None:
        reservoir = Reservoir(size, parameters["feature_dim"], np.asarray, rng)
    else:
        reservoir = Reservoir(size, reduction.target_dim, reduction.mapping(), rng)
    began, started = time.perf_counter(), time.time()
    batches = 0
    for rows, labels in _own_rows(run, hosts):
        with run.metrics.timed("update.time"):
            reservoir.observe(rows, labels)
        batches += 1
    run.metrics.progress(1, 1)
    run.metrics.write(started, {"Total Records Seen": reservoir.seen, "Total Batches Seen": batches}, epoch=0)
    run.metrics.throughput(reservoir.seen, time.perf_counter() - began)
    return Sample(reservoir.points, reservoir.labels)


def _own_rows(run: TrainingRun, hosts: Collective) -> Iterator[tuple[Matrix, Labels]]:
    """Yield what this host is to draw from: of rows that every host has, each host takes others.

    Else the same row would be drawn, and asked for its label, more than once.
    """
    channel = run.required_channel("train")
    if channel.is_empty and not hosts.is_alone:
        return
    config = run.environment.channels.get("train")
    count = len(run.environment.hosts)
    share = count if config is None or config.distribution == "FullyReplicated" else 1
    seen = 0
    for rows, labels in _rows(run, "train"):
        own = slice((hosts.rank - seen) % share, None, share)
        seen += len(rows)
        yield rows[own], labels[own]


def _rows(run: TrainingRun, channel: str) -> Iterator[tuple[Matrix, Labels]]:
    """Yield rows, (m, d), and their labels, (m,), batch by batch."""
    width, size = run.hyperparameters["feature_dim"], run.hyperparameters["mini_batch_size"]
    for rows in Batches(run.required_channel(channel), width, size, needs_label=True).batches():
        dense = rows.features.dense() if isinstance(rows.features, SparseRows) else rows.features
        yield dense, rows.labels[:, 0]


def _gather(run: TrainingRun, hosts: Collective, own: Sample) -> Sample:
    """Bring the samples of all hosts to the first; the others get none."""
    points, labels = hosts.gather(own.points), hosts.gather(own.labels)
    for host, part, part_labels in zip(run.environment.hosts, points, labels, strict=False):
        LOGGER.info("Getting reservoir sample from %s...", host)
        LOGGER.info(
            "...Got reservoir sample from %s: data=%s, labels=%s, NaNs=0",
            host,
            part.shape,
            part_labels.shape,
        )
    if not hosts.is_first:
        return own
    sample = Sample(np.concatenate(points), np.concatenate(labels)) if len(points) > 1 else own
    if len(sample.labels) == 0:
        raise UserError("Unable to read data channel 'train'. No host has a data file in it.")
    return sample


# The model.


def _write(run: TrainingRun, sample: Sample, reduction: Reduction | None) -> None:
    parameters = run.hyperparameters
    cosine = parameters["index_metric"] == "COSINE"
    settings = Settings(
        parameters["k"],
        parameters["predictor_type"],
        normalize=cosine,
        reduction=reduction,
        feature_dim=parameters["feature_dim"],
    )
    _write_index(run, normalized(sample.points) if cosine else sample.points)
    folder = run.paths.model
    with run.metrics.timed("model.serialize.time"):
        (folder / f"{MODEL_FILE}.labels").write_bytes(sample.labels.astype("<f4").tobytes())
        (folder / f"{MODEL_FILE}.json").write_text(settings.encode())


def _write_index(run: TrainingRun, points: Matrix) -> None:
    parameters = run.hyperparameters
    metric: Metric = "L2" if parameters["index_metric"] == "L2" else "INNER_PRODUCT"
    file = run.paths.model / MODEL_FILE
    began = time.perf_counter()
    LOGGER.info("Training index...")
    with run.metrics.timed("finalize.time"):
        if parameters["index_type"] == "faiss.Flat":
            with file.open("wb") as stream:
                write_flat(stream, points, metric)
        else:
            parts, lists = _parts(run), parameters["faiss_index_ivf_nlists"]
            wide = widened(points, multiple_of(parts or 1, points.shape[1]))
            write_faiss(file, build(wide, metric, None if lists == "auto" else lists, parts))
    LOGGER.info("...Finished training index in %d second(s)", time.perf_counter() - began)


def _score(run: TrainingRun) -> None:
    """Search what was written with the rows of the test channel."""
    if run.channel("test") is None:
        LOGGER.info("Test data is not provided.")
        return
    model = read_model(run.paths.model)
    predicted, true = [], []
    for rows, labels in _rows(run, "test"):
        began = time.perf_counter()
        LOGGER.info("Searching index...")
        predicted.append(model.predict(rows, {})["predicted_label"])
        true.append(labels)
        LOGGER.info("...Done searching index in %d second(s)", time.perf_counter() - began)
    guesses, truths = np.concatenate(predicted), np.concatenate(true)
    if run.hyperparameters["predictor_type"] == "regressor":
        _report(run, "mse", mean_squared_error(guesses, truths), "loss")
    else:
        _report(run, "accuracy", accuracy(guesses, truths), "score")
        _report(run, "macro_f_1.000", macro_f1(guesses, truths), "score")


def _report(run: TrainingRun, name: str, value: float, direction: Direction) -> None:
    run.metrics.score("test", name, value)
    run.metrics.quality("test", name, value, direction)
