"""A training job made ready: its rows, how they are scaled and weighed, and the models that will see them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.candidates import Candidate, Occasion, Schedule, candidates_of
from wildsage.algorithms.linear_learner.checkpoints import Checkpoints
from wildsage.algorithms.linear_learner.cross_validation import CrossValidation
from wildsage.algorithms.linear_learner.data import (
    Labelled,
    RowWeights,
    balanced_weights,
    binary_weights,
    class_counts,
)
from wildsage.algorithms.linear_learner.evaluation import Evaluator
from wildsage.algorithms.linear_learner.learning import Learner
from wildsage.algorithms.linear_learner.losses import loss_of
from wildsage.algorithms.linear_learner.models import LinearModels, first_parameters, settings_of
from wildsage.algorithms.linear_learner.optimizers import optimizer_of
from wildsage.algorithms.linear_learner.parameters import BINARY, LOSSES, MULTICLASS, REGRESSOR
from wildsage.algorithms.linear_learner.products import Array
from wildsage.algorithms.linear_learner.refinement import Refinement
from wildsage.algorithms.linear_learner.scaling import Scaling, Wanted, curvature_of, scaling_of
from wildsage.formats.rows import Rows
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.training import TrainingRun

_SEED: Final = 0
_WIDEST_IN_LOG: Final = 1000
"""Columns whose means and deviations are written."""
_LEAST_STEPS: Final = 20
"""Of an epoch, where the optimizer is automatic: the rows are passed over again to have as many."""


@dataclass(frozen=True, slots=True)
class Job:
    """What training needs.

    Attributes
    ----------
    precision
        wd times the rows, by cross validation; None: it was not looked for.
    outputs
        Columns of a model.
    sample
        Rows of train on this host that the scaling was found with.
    rows
        The batches of the first epoch that is trained here.
    passes
        Over the rows, in an epoch.
    count
        Rows of all hosts; None: not known.
    state
        Of the last checkpoint; empty: training begins.
    checkpoints
        None: the job wants none.
    """

    parameters: Mapping[str, Any]
    hosts: Collective
    loss_name: str
    train: Labelled
    validation: Labelled | None
    sample: list[Rows]
    rows: Iterator[Rows]
    passes: int
    count: int | None
    evaluator: Evaluator
    learner: Learner
    candidates: list[Candidate]
    precision: float | None
    outputs: int
    state: Mapping[str, NDArray[Any]]
    checkpoints: Checkpoints | None

    @property
    def width(self) -> int:
        """Columns of a row."""
        return len(self.evaluator.scaling.mean)

    @property
    def operations(self) -> int:
        """Multiplications and additions of the scores of a batch."""
        size = int(self.parameters["mini_batch_size"])
        rows = size if self.train.count is None else min(size, self.train.count)
        return 2 * rows * self.width * len(self.candidates) * self.outputs

    @property
    def refines(self) -> bool:
        """Whether passes over all rows at once follow the epochs: rows are in memory, and the optimizer is automatic."""
        return self.count is not None and self.parameters["optimizer"] == "auto"

    def refinement(self, models: LinearModels, numbers: Sequence[int]) -> Refinement:
        """Return what takes some of the models further, over all rows at once."""
        weights = self.evaluator.weights.only(numbers)

        def weighed() -> Iterator[tuple[Rows, Array | None]]:
            for rows in self.train.batches():
                yield rows, RowWeights.of(weights.training, rows.labels)

        return Refinement(models, weighed, self.count or 1, self.evaluator.scaling, self.hosts)

    def batches(self, epoch: int) -> Iterator[Rows]:
        """Yield the batches of an epoch, shuffled alike whatever was trained before."""
        return _batches(self.train, _rng(epoch, self.hosts), self.passes)


def _rng(epoch: int, hosts: Collective) -> Generator:
    return np.random.default_rng([_SEED, epoch, hosts.rank])


def _batches(train: Labelled, rng: Generator, passes: int) -> Iterator[Rows]:
    for _ in range(passes):
        yield from train.batches(rng)


def prepare(run: TrainingRun, hosts: Collective) -> Job:
    """Look at the first rows, and make the models for them."""
    parameters = run.hyperparameters
    checkpoints = Checkpoints(run.paths.checkpoints, hosts) if run.paths.checkpoints else None
    state = checkpoints.latest() if checkpoints else {}
    train = Labelled(run.required_channel("train"), parameters, _given_width(parameters), hosts)
    rng = _rng(int(state["epoch"]) if state else 0, hosts)
    batches = train.batches(rng)
    sample = _first_rows(batches, parameters["num_point_for_scaler"])
    width = _width(train, hosts)
    if state and len(state["scaling.mean"]) != width:
        raise UserError(f"the checkpoint is of rows of {len(state['scaling.mean'])} features, not of {width}")
    LOGGER.info("%d feature(s) found in 'data'.", width)
    channel = run.channel("validation")
    validation = None if channel is None else Labelled(channel, parameters, width, hosts)
    scaling = _scaling(parameters, sample, width, hosts, state)
    loss_name = (
        parameters["loss"] if parameters["loss"] != "auto" else LOSSES[parameters["predictor_type"]][0]
    )
    loss = loss_of(loss_name, parameters)
    outputs = parameters["num_classes"] if parameters["predictor_type"] == MULTICLASS else 1
    counts = _counts(parameters, train, sample, hosts)
    counted = _of_all(-1 if train.count is None else train.count, hosts)
    steps = _steps_of_a_pass(counted, parameters["mini_batch_size"])
    passes = _passes(parameters, steps)
    steps = None if steps is None else passes * steps
    rows = None if steps is None else sum(counted)
    occasion = Occasion(
        steps=None if steps is None else steps * parameters["epochs"],
        rows=rows,
        can_choose=validation is not None,
        outputs=outputs,
        features=width,
        curvature=_curvature(parameters, loss.curvature, sample, scaling, counts, hosts),
        balance=float(counts[0] / counts[1]) if len(counts) > 1 and counts[:2].all() else 1.0,
    )
    if state:
        occasion = replace(occasion, precision=_kept_precision(state))
    elif validation is None and rows and _leaves_penalty_open(parameters):
        weights = _weights(parameters, candidates_of(parameters, occasion), counts)
        compared = CrossValidation(parameters, loss, scaling, sample, weights, hosts)
        found = compared.precision(occasion.penalty * rows, outputs)
        occasion = replace(occasion, precision=found)
    candidates = candidates_of(parameters, occasion)
    weights = _weights(parameters, candidates, counts)
    columns = len(candidates) * outputs
    models = LinearModels(
        first_parameters(parameters, scaling, columns, np.random.default_rng(_SEED)),
        len(candidates),
        settings_of(candidates, outputs, parameters),
        loss,
        scaling,
        optimizer_of(parameters["optimizer"], parameters),
    )
    schedule = Schedule(parameters)
    return Job(
        parameters=parameters,
        hosts=hosts,
        loss_name=loss_name,
        train=train,
        validation=validation,
        sample=sample,
        rows=chain(sample, batches, _batches(train, rng, passes - 1)),
        passes=passes,
        count=rows,
        evaluator=Evaluator(loss, scaling, weights, hosts),
        learner=Learner(
            models, scaling, weights, schedule, hosts, parameters["epochs"], steps, rows and passes * rows
        ),
        candidates=candidates,
        precision=occasion.precision,
        outputs=outputs,
        state=state,
        checkpoints=checkpoints,
    )


def _kept_precision(state: Mapping[str, NDArray[Any]]) -> float | None:
    """Return what cross validation found before a checkpoint; older ones have none."""
    found = float(state.get("precision", np.array(np.nan)))
    return None if np.isnan(found) else found


def _leaves_penalty_open(parameters: Mapping[str, Any]) -> bool:
    return parameters["wd"] == "auto" and parameters["l1"] in ("auto", 0)


def _given_width(parameters: Mapping[str, Any]) -> int | None:
    return None if parameters["feature_dim"] == "auto" else int(parameters["feature_dim"])


def _first_rows(batches: Iterator[Rows], count: int) -> list[Rows]:
    taken: list[Rows] = []
    seen = 0
    while seen < count and (rows := next(batches, None)) is not None:
        taken.append(rows)
        seen += len(rows)
    return taken


def _width(train: Labelled, hosts: Collective) -> int:
    """Return the columns of all hosts' rows; a host without rows learns them from the others.

    Raises
    ------
    UserError
        Where they differ, or no host has rows.
    """
    own = 0 if train.is_absent else train.width or 0
    found = {width for width in _of_all(own, hosts) if width}
    if not found:
        raise UserError("Unable to read data channel 'train'. The files hold no rows.")
    if len(found) > 1:
        raise UserError(f"The hosts have rows of {' and '.join(map(str, sorted(found)))} features")
    return found.pop()


def _of_all(value: int, hosts: Collective) -> list[int]:
    """Bring a number of each host to all."""
    gathered = hosts.gather(np.array([value]))
    return [
        int(each) for each in hosts.share(np.concatenate(gathered) if gathered else np.zeros(0, np.int64))
    ]


def _scaling(
    parameters: Mapping[str, Any],
    sample: list[Rows],
    width: int,
    hosts: Collective,
    state: Mapping[str, NDArray[Any]],
) -> Scaling:
    if state:
        return Scaling.restored(state)
    is_regressor = parameters["predictor_type"] == REGRESSOR
    has_bias = parameters["use_bias"]
    for name in ("normalize_label", "unbias_label"):
        if parameters[name] is True and not is_regressor:
            LOGGER.warning("%s has no effect: the labels are classes", name)
    wanted = Wanted(
        unbias_data=_automatic(parameters["unbias_data"], has_bias),
        normalize_data=_automatic(parameters["normalize_data"], True),
        unbias_label=is_regressor and _automatic(parameters["unbias_label"], has_bias),
        normalize_label=is_regressor and _automatic(parameters["normalize_label"], True),
    )
    scaling = scaling_of(sample, width, wanted, hosts)
    if width <= _WIDEST_IN_LOG:
        LOGGER.info("Scaling model computed with parameters: %s", scaling.described())
    return scaling


def _automatic(value: bool | str, chosen: bool) -> bool:
    return chosen if value == "auto" else bool(value)


def _counts(
    parameters: Mapping[str, Any], train: Labelled, sample: list[Rows], hosts: Collective
) -> NDArray[np.float64]:
    """Count rows by class: all that are in memory, else those of the sample; empty for a regressor."""
    predictor = parameters["predictor_type"]
    if predictor == REGRESSOR:
        return np.zeros(0)
    labels = train.labels
    if labels is None:
        labels = np.concatenate([np.zeros((0, 1), np.float32), *(rows.labels for rows in sample)])
    counts = class_counts(labels, 2 if predictor == BINARY else parameters["num_classes"], hosts)
    if predictor == BINARY and not counts.all():
        LOGGER.warning("All rows looked at have the label %d", int(counts[1] > 0))
    return counts


def _weights(
    parameters: Mapping[str, Any], candidates: list[Candidate], counts: NDArray[np.float64]
) -> RowWeights:
    if parameters["predictor_type"] == BINARY:
        return binary_weights(candidates)
    if parameters["predictor_type"] == MULTICLASS and parameters["balance_multiclass_weights"]:
        return balanced_weights(counts)
    return RowWeights()


def _passes(parameters: Mapping[str, Any], steps: int | None) -> int:
    """Return how often an epoch passes over the rows: few steps would not get anywhere."""
    if steps is None or parameters["optimizer"] != "auto":
        return 1
    passes = math.ceil(_LEAST_STEPS / steps)
    if passes > 1:
        LOGGER.info("An epoch passes %d times over the rows, so that it has %d steps", passes, passes * steps)
    return passes


def _steps_of_a_pass(counted: list[int], size: int) -> int | None:
    """Return the steps of a pass over the rows of all hosts; None: a host does not know its rows yet."""
    if min(counted) < 0:
        return None
    if max(counted) < size:
        LOGGER.warning(
            "mini_batch_size is %d, but there are only %d rows: a step takes all of them", size, max(counted)
        )
    return math.ceil(max(counted) / size)


def _curvature(
    parameters: Mapping[str, Any],
    of_loss: float,
    sample: Iterable[Rows],
    scaling: Scaling,
    counts: NDArray[np.float64],
    hosts: Collective,
) -> float:
    """Return the greatest curvature of the loss, where the learning rate depends on it."""
    if parameters["optimizer"] != "sgd" or parameters["learning_rate"] != "auto":
        return 1.0
    heaviest = 1.0
    if parameters["positive_example_weight_mult"] in ("auto", "balanced") and counts.all() and len(counts):
        heaviest = max(1.0, float(counts[0] / counts[1]))
    elif parameters["predictor_type"] == BINARY:
        heaviest = max(1.0, float(parameters["positive_example_weight_mult"]))
    own = curvature_of(list(sample), scaling)
    return float(hosts.sum(np.array([own]))[0]) * of_loss * heaviest
