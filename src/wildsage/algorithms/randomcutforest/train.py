"""``train``: a sample of all hosts' rows in one pass, a forest over it, and its quality on labelled rows."""

import time

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.randomcutforest.artifact import encode
from wildsage.algorithms.randomcutforest.evaluation import flagged, found
from wildsage.algorithms.randomcutforest.forest import Forest, grow
from wildsage.algorithms.randomcutforest.sampling import Reservoir, deal, smallest
from wildsage.algorithms.randomcutforest.scoring import Scorer
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.batches import Batches
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.threads import threads
from wildsage.toolkit.training import TrainingRun

_BLOCK = 1 << 20
"""Numbers that a step takes at least: the result does not depend on the batch size, the speed does."""
_SEED = 0


def train(run: TrainingRun) -> None:
    """Sample this host's rows; the first host grows the forest over all hosts' samples and writes ``model_algo-1``."""
    started = time.time()
    with run.collective() as hosts:
        reservoir = _observe(run, hosts.rank, is_alone=hosts.is_alone)
        points = _gather(run, hosts, reservoir)
    if hosts.is_first:
        with run.metrics.timed("finalize.time"):
            forest = _grow(run, points)
        _score(run, forest)
        with run.metrics.timed("model.serialize.time"):
            (run.paths.model / MODEL_FILE).write_bytes(encode(forest))
    run.metrics.progress(1, 1)
    run.metrics.end(started, 1)


def _batches(run: TrainingRun, channel: str, *, needs_label: bool = False) -> Batches:
    width = run.hyperparameters["feature_dim"]
    size = max(run.hyperparameters["mini_batch_size"], _BLOCK // width)
    return Batches(run.required_channel(channel), width, size, needs_label=needs_label)


def _observe(run: TrainingRun, rank: int, *, is_alone: bool) -> Reservoir:
    """Read this host's rows; where a job has more hosts than objects, it may have none."""
    parameters = run.hyperparameters
    capacity = parameters["num_trees"] * parameters["num_samples_per_tree"]
    reservoir = Reservoir(capacity, parameters["feature_dim"], np.random.default_rng([_SEED, rank]))
    if not is_alone and run.required_channel("train").is_empty:
        LOGGER.info("There is no object for this host.")
        return reservoir
    began, started = time.perf_counter(), time.time()
    batches = 0
    for batch in _batches(run, "train").matrices():
        with run.metrics.timed("update.time"):
            reservoir.observe(batch)
        batches += 1
    counts: dict[str, float] = {"Total Records Seen": reservoir.seen, "Total Batches Seen": batches}
    run.metrics.write(started, counts, epoch=0)
    run.metrics.throughput(reservoir.seen, time.perf_counter() - began)
    return reservoir


def _gather(run: TrainingRun, hosts: Collective, reservoir: Reservoir) -> NDArray[np.float32]:
    """Bring the sample of all rows to the first host: (k, d); to the others, nothing."""
    own = reservoir.sample()
    rows, keys = hosts.gather(own[0]), hosts.gather(own[1])
    if not hosts.is_first:
        return own[0][:0]
    points, _ = smallest(np.concatenate(rows), np.concatenate(keys), reservoir.capacity)
    if not len(points):
        raise UserError(
            f"Unable to read data channel 'train'. No host of {len(run.environment.hosts)} has rows."
        )
    return points


def _grow(run: TrainingRun, points: NDArray[np.float32]) -> Forest:
    parameters = run.hyperparameters
    rng = np.random.default_rng(_SEED)
    rows = deal(len(points), parameters["num_trees"], parameters["num_samples_per_tree"], rng)
    trees, size = rows.shape
    LOGGER.info("%d trees of %d rows each, out of a sample of %d", trees, size, len(points))
    if size < parameters["num_samples_per_tree"]:
        LOGGER.info("There are too few rows for %d a tree", parameters["num_samples_per_tree"])
    return grow(points, rows, rng, threads())


def _score(run: TrainingRun, forest: Forest) -> None:
    if run.channel("test") is None:
        LOGGER.info("Test data is not provided.")
        return
    scorer = Scorer(forest, threads())
    scores, labels = [], []
    for rows in _batches(run, "test", needs_label=True).batches():
        features = rows.features
        scores.append(scorer.scores(features.dense() if isinstance(features, SparseRows) else features))
        labels.append(rows.labels[:, 0])
    _report(run, _anomalous(np.concatenate(labels)), flagged(np.concatenate(scores)))


def _anomalous(labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    strange = labels[(labels != 0) & (labels != 1)]
    if strange.size:
        raise UserError(
            f"Unable to read data channel 'test'. A label is {strange[0]:g}; it has to be 1 for an anomaly, 0 for none."
        )
    anomalous: NDArray[np.bool_] = labels == 1
    return anomalous


def _report(run: TrainingRun, anomalous: NDArray[np.bool_], taken: NDArray[np.bool_]) -> None:
    measured = {}
    if "accuracy" in run.hyperparameters["eval_metrics"]:
        measured["accuracy"] = float((anomalous == taken).mean())
    if "precision_recall_fscore" in run.hyperparameters["eval_metrics"] or run.objective == "test:f1":
        positive, negative = found(anomalous, taken), found(~anomalous, ~taken)
        measured |= {"precision": positive.precision, "recall": positive.recall, "f1": positive.f1}
        for name in ("precision", "recall", "f1"):
            run.metrics.score("test", f"negative_{name}", getattr(negative, name))
    for name, value in measured.items():
        run.metrics.quality("test", name, value, "score")
        run.metrics.score("test", name, value)
