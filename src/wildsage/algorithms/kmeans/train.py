"""``train``: stream the rows, shrink, score, and write the centres.

There is no hyperparameter for a seed; equal input gives an equal model.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import assign, squared_distances
from wildsage.algorithms.kmeans.web_scale import (
    Settings,
    TooFewRowsError,
    WebScaleKMeans,
    automatic_factor,
    automatic_trials,
)
from wildsage.formats.content_types import CSV
from wildsage.formats.ndarray import write_ndarrays
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.channels import ChannelReader
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.training import TrainingRun

_SEED = 0
_LARGEST_IN_MEMORY = 256 << 20
"""Bytes of input files that are read once, kept and shuffled for every epoch. More is streamed in file order."""


def train(run: TrainingRun) -> None:
    """Train, score and write ``model_algo-1``."""
    if len(run.environment.hosts) > 1:
        raise UserError(
            f"K-Means on {len(run.environment.hosts)} instances is not available: set the instance count to 1"
        )
    parameters = run.hyperparameters
    rng = np.random.default_rng(_SEED)
    data = _Data(run.required_channel("train"), parameters["feature_dim"], parameters["mini_batch_size"])
    started = time.time()
    settings = _settings(parameters)
    LOGGER.info("%d centres (k times extra_center_factor) are kept", settings.k * settings.factor)
    model = WebScaleKMeans(settings, rng)
    _run_epochs(model, data, parameters["epochs"], rng, run.metrics)
    with run.metrics.timed("finalize.time"):
        centres = _finish(model)
    test = run.channel("test")
    if test is None:
        LOGGER.info("Test data is not provided.")
    else:
        _score(_Data(test, parameters["feature_dim"], parameters["mini_batch_size"]), centres, run)
    with run.metrics.timed("model.serialize.time"):
        (run.paths.model / "model_algo-1").write_bytes(write_ndarrays([centres]))
    run.metrics.write(started, {"epochs": parameters["epochs"]})


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
    model: WebScaleKMeans, data: "_Data", epochs: int, rng: Generator, metrics: MetricLog
) -> None:
    data.keep_if_small()
    for epoch in range(epochs):
        began, started = time.perf_counter(), time.time()
        rows = batches = 0
        loss = 0.0
        for batch in data.batches(rng):
            with metrics.timed("update.time"):
                loss += model.observe(batch)
            rows += len(batch)
            batches += 1
        if rows == 0:
            raise UserError("Unable to read data channel 'train'. The files hold no rows.")
        metrics.quality("train", "msd", loss / rows, epoch=epoch)
        metrics.progress(epoch + 1, epochs)
        metrics.write(started, {"Total Records Seen": rows, "Total Batches Seen": batches}, epoch=epoch)
        metrics.throughput(rows, time.perf_counter() - began)


def _finish(model: WebScaleKMeans) -> NDArray[np.float32]:
    try:
        return model.finish()
    except TooFewRowsError as error:
        raise UserError(f"{error}: give more data or a smaller k") from error


def _score(data: "_Data", centres: NDArray[np.float32], run: TrainingRun) -> None:
    origin = centres.mean(axis=0)
    shifted = centres - origin
    total = 0.0
    rows = 0
    for batch in data.batches(None):
        points = batch - origin
        labels, _ = assign(points, shifted)
        total += float(squared_distances(points, shifted, labels).sum(dtype=np.float64))
        rows += len(batch)
    if rows == 0:
        raise UserError("Unable to read data channel 'test'. The files hold no rows.")
    scores = {"msd": total / rows, "ssd": total}
    for name in run.hyperparameters["eval_metrics"]:
        run.metrics.quality("test", name, scores[name])
        run.metrics.score("test", name, scores[name])


@dataclass(slots=True)
class _Data:
    """A channel cut into mini-batches."""

    channel: ChannelReader
    feature_dim: int
    batch_size: int
    _kept: NDArray[np.float32] | None = None

    def keep_if_small(self) -> None:
        """Read a small channel into memory, so that epochs can be shuffled and need not read it again.

        What comes through a FIFO is not kept: each epoch has the order that the job gives it.
        """
        if self.channel.is_streamed:
            return
        if sum(file.stat().st_size for file in self.channel.files()) <= _LARGEST_IN_MEMORY:
            blocks = list(self._blocks())
            self._kept = np.concatenate(blocks) if blocks else np.zeros((0, self.feature_dim), np.float32)

    def batches(self, rng: Generator | None) -> Iterator[NDArray[np.float32]]:
        """Yield (m, d) batches of the batch size, the last one smaller; shuffled where `rng` is given."""
        if self._kept is None:
            yield from self._streamed()
            return
        order = np.arange(len(self._kept)) if rng is None else rng.permutation(len(self._kept))
        for start in range(0, len(order), self.batch_size):
            yield self._kept[order[start : start + self.batch_size]]

    def _streamed(self) -> Iterator[NDArray[np.float32]]:
        parts: list[NDArray[np.float32]] = []
        size = 0
        for block in self._blocks():
            start = 0
            while size + len(block) - start >= self.batch_size:
                end = start + self.batch_size - size
                yield np.concatenate([*parts, block[start:end]])
                parts, size, start = [], 0, end
            if start < len(block):
                parts.append(block[start:])
                size += len(block) - start
        if parts:
            yield np.concatenate(parts)

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        for rows in self.channel.rows():
            features = rows.features
            width = features.width if isinstance(features, SparseRows) else features.shape[1]
            if width != self.feature_dim:
                raise UserError(self._mismatch(width))
            yield features.dense() if isinstance(features, SparseRows) else features

    def _mismatch(self, width: int) -> str:
        text = (
            f"The data of channel '{self.channel.name}' has {width} features, "
            f"but the hyperparameter feature_dim is {self.feature_dim}."
        )
        content_type = self.channel.content_type
        if content_type.media_type == CSV and "label_size" not in content_type.parameters:
            text += " The first column was taken as a label: if it is a feature, use 'text/csv;label_size=0'."
        return text
