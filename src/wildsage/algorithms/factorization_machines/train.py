"""``train``: mini-batches of all hosts, then ``model_algo-1``.

There is no hyperparameter for a seed; equal input gives an equal model.
"""

import math
import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.adam import Settings, Terms
from wildsage.algorithms.factorization_machines.artifact import encode
from wildsage.algorithms.factorization_machines.blocks import block_of
from wildsage.algorithms.factorization_machines.compiled import Arranger, CompiledSteps, load_kernels
from wildsage.algorithms.factorization_machines.layout import Stretched
from wildsage.algorithms.factorization_machines.learner import Glance, Initialiser, Learner, add_up, glance
from wildsage.algorithms.factorization_machines.machine import Machine, score
from wildsage.algorithms.factorization_machines.predictors import PREDICTORS, Predictor
from wildsage.formats.rows import Rows
from wildsage.toolkit.ahead import ahead
from wildsage.toolkit.batches import Batches, Stretch, batches_of
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import AlgorithmError, UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.training import TrainingRun

Floats = NDArray[np.float64]

_SEED = 0
_LEAST_STEPS = 100
"""Of a job, if the channel can be counted: with fewer, nothing is learnt."""
_REPORTED_BATCHES = 500
"""Every so many a line of the log tells how it goes."""


def train(run: TrainingRun) -> None:
    """Learn from this host's rows and those of the others; the first writes ``model_algo-1``."""
    parameters = run.hyperparameters
    started = time.time()
    rng = np.random.default_rng([_SEED, 1])
    with run.collective() as hosts:
        data = _Shard(run, "train", hosts)
        first = glance(data.first_rows(rng), hosts)
        data.shorten_batches()
        learner = _learner(parameters, first)
        steps = _Steps(run, learner, hosts)
        for epoch, tallies in enumerate(steps.epochs(data, rng, parameters["epochs"])):
            _epoch(run, tallies, learner.predictor, epoch)
        _check(
            float(learner.machine.weights.sum()) + learner.machine.bias, parameters, "The last step's result"
        )
        _score(run, learner, hosts)
    if hosts.is_first:
        with run.metrics.timed("model.serialize.time"):
            (run.paths.model / MODEL_FILE).write_bytes(encode(learner.machine, parameters))
    run.metrics.end(started, parameters["epochs"])


class _Shard:
    """The rows of a channel that this host has; it may have none, as where a job has more hosts than objects."""

    def __init__(self, run: TrainingRun, channel: str, hosts: Collective) -> None:
        self.hosts = hosts
        self._parameters = run.hyperparameters
        self._predictor = PREDICTORS[self._parameters["predictor_type"]]
        size = self._parameters["mini_batch_size"]
        given = run.required_channel(channel)
        width = self._parameters["feature_dim"]
        self._data = Batches(given, width, size, needs_label=True, keeps_sparse=True)
        self._is_empty = given.is_empty and not hosts.is_alone

    def first_rows(self, rng: Generator) -> Rows | None:
        """Read a batch, and keep the channel if it is small."""
        if not self._is_empty:
            self._data.keep_if_small()
        return next(self.batches(rng), None)

    def shorten_batches(self) -> None:
        """Share out the batch between the hosts, and have a batch be small enough for some steps."""
        size = self._parameters["mini_batch_size"]
        kept = 0 if self._is_empty else self._data.rows_kept
        # A host that cannot count its rows makes the sum infinite.
        hosts, rows = self.hosts.sum(np.array([1.0, math.inf if kept is None else kept]))
        share = 1 / hosts
        if kept is not None and math.isfinite(rows):
            size = min(size, math.ceil(rows * self._parameters["epochs"] / _LEAST_STEPS))
            share = kept / rows
        self._data.size = max(1, math.ceil(size * share))
        if size < self._parameters["mini_batch_size"]:
            LOGGER.info("Batches have %d rows, so that there are %d steps or more.", size, _LEAST_STEPS)

    def batches(self, rng: Generator | None = None) -> Iterator[Rows]:
        """Yield one epoch.

        Raises
        ------
        UserError
            For labels that the loss is not for.
        """
        for rows in () if self._is_empty else self._data.batches(rng):
            self._check(rows.labels)
            yield rows

    def stretches(self, rng: Generator) -> Iterator[Stretch]:
        """Yield one epoch, many batches together; raises as `batches` does."""
        for stretch in () if self._is_empty else self._data.stretches(rng):
            self._check(stretch.rows.labels[stretch.order])
            yield stretch

    @property
    def size(self) -> int:
        """Rows of a batch."""
        return self._data.size

    def _check(self, labels: NDArray[np.float32]) -> None:
        if refusal := self._predictor.refusal(labels):
            raise UserError(f"Unable to read data channel '{self._data.channel.name}': {refusal}")


def _learner(parameters: Mapping[str, Any], first: Glance) -> Learner:
    predictor = PREDICTORS[parameters["predictor_type"]]
    rng = np.random.default_rng(_SEED)
    starts = {term: _initialiser(parameters, term) for term in ("bias", "linear", "factors")}
    bias = float(starts["bias"].draw(rng, (1,))[0])
    if starts["bias"].method != "constant":
        bias += predictor.best_constant(first.mean)
    weights = np.empty((parameters["feature_dim"], 1 + parameters["num_factors"]), np.float32)
    weights[:, 0] = starts["linear"].draw(rng, weights[:, 0].shape)
    weights[:, 1:] = starts["factors"].draw(rng, weights[:, 1:].shape)
    return Learner(Machine(bias, weights), predictor, _settings(parameters), first)


def _initialiser(parameters: Mapping[str, Any], term: str) -> Initialiser:
    method = parameters[f"{term}_init_method"]
    name = {"normal": "sigma", "uniform": "scale", "constant": "value"}[method]
    return Initialiser(method, parameters[f"{term}_init_{name}"])


def _settings(parameters: Mapping[str, Any]) -> Settings:
    def terms(name: str) -> Terms:
        return Terms(*(parameters[f"{term}_{name}"] for term in ("bias", "linear", "factors")))

    return Settings(
        terms("lr"),
        terms("wd"),
        parameters.get("clip_gradient"),
        parameters.get("rescale_grad", 1.0),
        parameters.get("eps", 1e-8),
    )


def _epoch(run: TrainingRun, tallies: Iterator[Floats], predictor: Predictor, epoch: int) -> None:
    began, started = time.perf_counter(), time.time()
    total = np.zeros(predictor.size)
    count = 0
    for tally in tallies:
        _check(float(tally[1]), run.hyperparameters, f"The loss of batch {count} in epoch {epoch}")
        if count % _REPORTED_BATCHES == 0:
            _report(run, predictor, tally, epoch=epoch, batch=count)
        total += tally
        count += 1
    _report(run, predictor, total, epoch=epoch)
    run.metrics.progress(epoch + 1, run.hyperparameters["epochs"])
    counts = {"Total Records Seen": float(total[0]), "Total Batches Seen": float(count)}
    run.metrics.write(started, counts, epoch=epoch)
    run.metrics.throughput(int(total[0]), time.perf_counter() - began)


class _Steps:
    """Takes the steps of a learner: compiled ones where they can be, else by numpy.

    Hosts that learn together exchange each gradient, and do so by numpy.
    """

    def __init__(self, run: TrainingRun, learner: Learner, hosts: Collective) -> None:
        self._learner = learner
        self._run = run
        self._kernels = load_kernels() if hosts.is_alone else None

    def epochs(self, data: _Shard, rng: Generator, count: int) -> Iterator[Iterator[Floats]]:
        """Yield, for each epoch, the tallies of its steps; whoever takes one looks at it before the next step."""
        if self._kernels is None:
            for _ in range(count):
                yield self._together(data.batches(rng), data.hosts)
            return
        arranger = Arranger(self._kernels.arrange, len(self._learner.machine.weights))
        steps = CompiledSteps(self._learner, self._kernels.take_steps)
        arranged = (
            (epoch, stretch, arranger.arranged(stretch, data.size))
            for epoch in range(count)
            for stretch in data.stretches(rng)
        )
        for _, stretches in groupby(ahead(arranged), lambda item: item[0]):
            yield self._compiled(steps, stretches, data)

    def _compiled(
        self, steps: CompiledSteps, stretches: Iterator[tuple[int, Stretch, Stretched | None]], data: _Shard
    ) -> Iterator[Floats]:
        for _, stretch, stretched in stretches:
            if stretched is None:
                yield from self._together(batches_of(stretch, data.size), data.hosts)
            else:
                with self._run.metrics.timed("update.time"):
                    tallies = steps.tallies(stretched, data.size)
                yield from tallies

    def _together(self, batches: Iterator[Rows], hosts: Collective) -> Iterator[Floats]:
        while True:
            with self._run.metrics.timed("update.time"):
                gradient = add_up(self._learner.gradient(next(batches, None)), hosts)
                if gradient.tally[0] == 0:  # no host has rows any more
                    return
                yield gradient.tally
                self._learner.follow(gradient)


def _check(number: float, parameters: Mapping[str, Any], what: str) -> None:
    """Stop where the parameters have grown out of bounds, and a number with them.

    Raises
    ------
    AlgorithmError
        Naming the learning rates.
    """
    if math.isfinite(number):
        return
    rates = ", ".join(f"{name} ({parameters[name]})" for name in ("bias_lr", "linear_lr", "factors_lr"))
    raise AlgorithmError(
        f"{what} is {number}: training has diverged. "
        f"Lower the learning rates {rates}, or set clip_gradient; features of about 1 in size help, too"
    )


def _report(run: TrainingRun, predictor: Predictor, tally: NDArray[np.float64], **at: int) -> None:
    for one in predictor.measures(tally):
        run.metrics.quality("train", one.name, one.value, one.direction, metric=one.metric, **at)


def _score(run: TrainingRun, learner: Learner, hosts: Collective) -> None:
    """Score all hosts' rows of the test channel."""
    if run.channel("test") is None:
        LOGGER.info("Test data is not provided.")
        return
    total = np.zeros(learner.predictor.size)
    for rows in _Shard(run, "test", hosts).batches():
        scores = score(learner.machine, block_of(rows.features)).scores
        total += learner.predictor.tally(scores, rows.labels[:, 0])
    total = hosts.sum(total)
    if not hosts.is_first:
        return
    for one in learner.predictor.measures(total):
        run.metrics.quality("test", one.name, one.value, one.direction, metric=one.metric)
        run.metrics.score("test", one.name, one.value)
