"""``train``: many models at once through the epochs; the best is calibrated, scored and written."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.linear_learner.artifact import encode
from wildsage.algorithms.linear_learner.calibration import Calibrator, Criterion
from wildsage.algorithms.linear_learner.choosing import BestSoFar, EarlyStopping, Merits, merits_of
from wildsage.algorithms.linear_learner.data import Labelled
from wildsage.algorithms.linear_learner.evaluation import View
from wildsage.algorithms.linear_learner.job import Job, prepare
from wildsage.algorithms.linear_learner.learning import Epoch
from wildsage.algorithms.linear_learner.model import LinearModel, Link, logistic
from wildsage.algorithms.linear_learner.parameters import BINARY
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.linear_algebra import bounded_products
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.metrics import MetricLog
from wildsage.toolkit.model_files import MODEL_FILE
from wildsage.toolkit.training import TrainingRun

_CRITERION: Final = "binary_classifier_model_selection_criteria"
_CRITERIA: Final[Mapping[str, Criterion]] = {
    "accuracy": "accuracy",
    "f_beta": "f_beta",
    "f1": "f_beta",
    "precision_at_target_recall": "precision_at_target_recall",
    "recall_at_target_precision": "recall_at_target_precision",
    "loss_function": "loss_function",
    "cross_entropy_loss": "loss_function",
}
_LINKS: Final[Mapping[str, Link]] = {"logistic": "logistic", "softmax_loss": "softmax"}
_SAMPLES_OF_AN_EPOCH: Final = 10_000
_CALIBRATION_SAMPLES: Final = 10_000_000
_SLACK_OF_TRAINING: Final = 0.01
_MOST_SCORES: Final = 1 << 26
"""Numbers that are kept of all models together to find thresholds."""
_MOST_REFINED: Final = 1 << 25
"""Scores of all models that go on over all rows at once; six arrays of this size are in memory."""


def train(run: TrainingRun) -> None:
    """Train on this host's rows, in step with the others; the first writes ``model_algo-1``."""
    started = time.time()
    with run.collective() as hosts:
        with run.metrics.timed("initialize.time"):
            job = prepare(run, hosts)
        with bounded_products(job.operations):
            best, epochs = _train(run, job)
            with run.metrics.timed("finalize.time"):
                model, number = _choose(run, job, best)
        if hosts.is_first:
            LOGGER.info("Best model found for hyperparameters: %s", json.dumps(_described(job, number)))
        channel = run.channel("test")
        if channel is None:
            LOGGER.info("Test data is not provided.")
        else:
            _report(run, job, model, Labelled(channel, run.hyperparameters, job.width, hosts))
        if hosts.is_first:
            with run.metrics.timed("model.serialize.time"):
                content = encode(model, run.hyperparameters["predictor_type"], job.loss_name)
                (run.paths.model / MODEL_FILE).write_bytes(content)
    run.metrics.end(started, epochs)


def _train(run: TrainingRun, job: Job) -> tuple[BestSoFar, int]:
    """Run the epochs; returns the best of each model, and how many epochs there were."""
    epochs, learner = run.hyperparameters["epochs"], job.learner
    slack = _SLACK_OF_TRAINING if job.validation is None else 0.0
    best = BestSoFar(learner.models.parameters, learner.models.count, slack)
    stopping = EarlyStopping(
        run.hyperparameters["early_stopping_patience"], run.hyperparameters["early_stopping_tolerance"]
    )
    done = _resume(job, best, stopping)
    rows = job.rows
    while done < epochs and not stopping.is_over:
        began, started = time.perf_counter(), time.time()
        with run.metrics.timed("update.time"):
            result = learner.epoch(rows)
        merits = _judge(run, job, result, done)
        best.offer(learner.models.parameters, merits)
        _observe(run, job, merits, stopping, done)
        done += 1
        run.metrics.progress(epochs if stopping.is_over else done, epochs)
        counts: dict[str, float] = {
            "Total Records Seen": result.records,
            "Total Batches Seen": result.batches,
        }
        run.metrics.write(started, counts, epoch=done - 1, Meta="training_data_iter")
        run.metrics.throughput(result.records, time.perf_counter() - began)
        _save(job, best, stopping, done)
        rows = job.batches(done)
    if job.refines:
        with run.metrics.timed("refine.time"):
            _refine(run, job, best, done)
    return best, done


def _refine(run: TrainingRun, job: Job, best: BestSoFar, epoch: int) -> None:
    """Take models to the least of their objectives, in as many passes over all rows as the epochs may have.

    Of those that minimize the same, the best goes on, and the others are out. What the models are now on the
    validation channel is logged as an epoch more, because tuning jobs compare the last value.
    """
    models = job.learner.models
    models.parameters = best.parameters.copy()
    most = _MOST_REFINED // ((job.count or 1) * job.outputs)
    groups = _alike(job, best.merits)[:most]
    if not groups:
        return
    numbers = [first for first, *_ in groups]
    chosen = models.only(numbers)
    place, passes = job.refinement(chosen, numbers).run(
        chosen.parameters, run.hyperparameters["epochs"] * job.passes
    )
    losses, penalties = best.merits.losses / job.evaluator.unit, np.zeros(models.count)
    losses[numbers], penalties[numbers] = place.losses, place.penalties
    models.parameters[:, models.columns(numbers)] = place.parameters
    best.offer(models.parameters, _merits(run, job, _view(run, job, losses, penalties)))
    if job.validation is not None:
        _log_objectives(run, job, "validation", best.merits.losses, epoch)
    best.drop([number for _, *others in groups for number in others])
    if job.hosts.is_first:
        LOGGER.info("%d models went on for %d passes over all rows at once", len(numbers), passes)


def _alike(job: Job, merits: Merits) -> list[list[int]]:
    """Group the models that have learnt something by what they minimize, the best of a group first.

    Left out are those whose objective has no gradient everywhere.
    """
    groups: dict[tuple[float, float, float], list[int]] = {}
    for number in np.lexsort((merits.losses, -merits.values)).tolist():
        one = job.candidates[number]
        if np.isfinite(merits.losses[number]) and job.learner.models.is_smooth[number]:
            groups.setdefault((one.wd, one.l1, one.positive_weight), []).append(number)
    return list(groups.values())


def _resume(job: Job, best: BestSoFar, stopping: EarlyStopping) -> int:
    """Go on from the checkpoint, if there is one; returns the epochs that are done."""
    state = job.state
    if not state:
        return 0
    if state["learner.parameters"].shape != job.learner.models.parameters.shape:
        raise UserError("the checkpoint is of a job with other hyperparameters: remove it")
    job.learner.restore(_part(state, "learner."))
    best.restore(_part(state, "best."))
    stopping.best, stopping.waited = float(state["stopping"][0]), int(state["stopping"][1])
    LOGGER.info("Resuming from the checkpoint of epoch %d", int(state["epoch"]) - 1)
    return int(state["epoch"])


def _save(job: Job, best: BestSoFar, stopping: EarlyStopping, done: int) -> None:
    if job.checkpoints is None:
        return
    arrays = {
        "epoch": np.array(done),
        "precision": np.array(np.nan if job.precision is None else job.precision),
        "stopping": np.array([stopping.best, stopping.waited]),
        **job.evaluator.scaling.state,
        **{f"learner.{name}": value for name, value in job.learner.state.items()},
        **{f"best.{name}": value for name, value in best.state.items()},
    }
    job.checkpoints.write(done - 1, arrays)


def _part(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _judge(run: TrainingRun, job: Job, result: Epoch, epoch: int) -> Merits:
    """See how good the models are after an epoch, and say so."""
    _log_objectives(run, job, "train", result.losses * job.evaluator.unit, epoch)
    view = _view(run, job, result.losses, result.penalties)
    if job.validation is not None:
        _log_objectives(run, job, "validation", view.losses, epoch)
    return _merits(run, job, view)


def _view(run: TrainingRun, job: Job, losses: NDArray[np.float64], penalties: NDArray[np.float64]) -> View:
    """Look at what the models are judged by: the validation channel, or else what was seen of train.

    Parameters
    ----------
    losses, penalties
        (models,), of the normalized rows of train.
    """
    models, evaluator = job.learner.models, job.evaluator
    needs_scores = _calibrator_of_epochs(run, job) is not None
    samples = _samples(run, job, _SAMPLES_OF_AN_EPOCH) if needs_scores else 0
    if job.validation is not None:
        return evaluator.view(models, job.validation.batches(), samples)
    # The losses of training rows alone would favour models that fit these rows only.
    penalized = (losses + penalties) * evaluator.unit
    if not needs_scores:
        return View(penalized, *_NOTHING)
    sampled = evaluator.view(models, job.sample, samples)
    return View(penalized, sampled.scores, sampled.labels)


def _merits(run: TrainingRun, job: Job, view: View) -> Merits:
    return merits_of(view, _calibrator_of_epochs(run, job), job.hosts)


_NOTHING: Final = (np.zeros((0, 0), np.float32), np.zeros(0, np.float32))


def _observe(run: TrainingRun, job: Job, merits: Merits, stopping: EarlyStopping, epoch: int) -> None:
    """Tell whether the best model of the epoch is better than before."""
    criterion = _criterion_of_epochs(run, job)
    if criterion == "loss_function":
        name, value = job.evaluator.loss.objective, float(merits.losses.min())
        is_better = stopping.observe(value)
    else:
        name, value = f"sampled_{criterion}", float(merits.values.max())
        is_better = stopping.observe(-value)
    if not job.hosts.is_first:
        return
    LOGGER.info(
        "#early_stopping_criteria_metric: host=%s, epoch=%d, criteria=%s, value=%s",
        run.metrics.host,
        epoch,
        name,
        value,
    )
    if is_better:
        LOGGER.info("Epoch %d: Loss improved. Updating best model", epoch)
    else:
        LOGGER.info("Epoch %d: Loss has not improved for %d epochs.", epoch, stopping.waited)
    if stopping.is_over:
        LOGGER.info("Early stop condition met. Stopping training.")


def _log_objectives(run: TrainingRun, job: Job, phase: str, losses: NDArray[np.float64], epoch: int) -> None:
    """Write a line for each model, and for the first the one that the metric is found in."""
    if not job.hosts.is_first:
        return
    name = job.evaluator.loss.objective
    now = time.time()
    # A log of its own: the phases measured so far belong to the epoch's own line.
    lines = MetricLog(run.metrics.host, run.metrics.algorithm)
    for number, loss in enumerate(losses):
        if np.isfinite(loss):
            lines.write(now, {f"{phase}_{name}": float(loss)}, model=number, epoch=epoch)
    run.metrics.quality(phase, name, float(losses[0]), metric="objective_loss", epoch=epoch)


def _criterion(job: Job) -> Criterion:
    """What models are chosen by."""
    if job.parameters["predictor_type"] != BINARY:
        return "loss_function"
    return _CRITERIA[job.parameters[_CRITERION]]


def _criterion_of_epochs(run: TrainingRun, job: Job) -> Criterion:
    """What epochs are compared by: the loss, unless the job names a criterion."""
    return _criterion(job) if _CRITERION in run.environment.hyperparameters else "loss_function"


def _calibrator_of_epochs(run: TrainingRun, job: Job) -> Calibrator | None:
    """Return what finds thresholds while epochs are compared; None: they are compared by the loss."""
    return None if _criterion_of_epochs(run, job) == "loss_function" else _calibrator(job)


def _calibrator(job: Job) -> Calibrator | None:
    """Return what finds thresholds; None: there are none to find."""
    parameters, criterion = job.parameters, _criterion(job)
    if criterion == "loss_function":
        return None
    recall = criterion == "precision_at_target_recall"
    target = parameters["target_recall" if recall else "target_precision"]
    return Calibrator(criterion, parameters["f_beta"], target, 0.0)


def _samples(run: TrainingRun, job: Job, wanted: int) -> int:
    """Return how many rows of this host give scores for thresholds."""
    kept = min(wanted, _MOST_SCORES // len(job.candidates))
    return max(1, kept // len(run.environment.hosts))


def _choose(run: TrainingRun, job: Job, best: BestSoFar) -> tuple[LinearModel, int]:
    """Pick a model and its threshold, and score it on the rows that it was picked by."""
    models = job.learner.models
    models.parameters = best.parameters
    data = job.train if job.validation is None else job.validation
    wanted = job.parameters["num_calibration_samples"]
    calibrator = _calibrator(job)
    wanted = _CALIBRATION_SAMPLES if wanted == "auto" else wanted
    samples = _samples(run, job, wanted) if calibrator else 0
    view = job.evaluator.view(models, data.batches(), samples)
    # A model that was never better than at the start has diverged.
    view.losses[np.isinf(best.merits.losses)] = np.inf
    if job.validation is None:
        view.losses[:] += models.penalties(models.parameters) * job.evaluator.unit
    merits = merits_of(view, calibrator, job.hosts)
    number = merits.best()
    if not np.isfinite(best.merits.losses).any():
        raise UserError("The loss of every model grew beyond all bounds: give a smaller learning_rate")
    columns = slice(number * job.outputs, (number + 1) * job.outputs)
    weights, biases = job.evaluator.scaling.final_weights(best.parameters[:, columns].astype(np.float64))
    link = _LINKS.get(job.loss_name, "identity")
    threshold = None
    if job.parameters["predictor_type"] == BINARY:
        raw = np.array([merits.thresholds[number]])
        threshold = float(logistic(raw)[0] if link == "logistic" else raw[0])
    model = LinearModel(weights.astype(np.float32), biases.astype(np.float32), link, threshold)
    _report(run, job, model, data)
    return model, number


def _report(run: TrainingRun, job: Job, model: LinearModel, data: Labelled) -> None:
    """Score a model on the rows of a channel."""
    scores = job.evaluator.scores(model, data, job.parameters)
    if not job.hosts.is_first:
        return
    phase = data.channel.name
    for score in scores:
        run.metrics.score(phase, score.name, score.value)
    for score in scores:
        run.metrics.quality(phase, score.name, score.value, score.direction, metric=score.metric)


def _described(job: Job, number: int) -> dict[str, Any]:
    """Return the hyperparameters of a model, as the log gives them."""
    candidate, schedule, total = job.candidates[number], job.learner.schedule, job.learner.total
    optimizer = job.parameters["optimizer"]
    return {
        "optimizer": "adam" if optimizer == "auto" else optimizer,
        "learning_rate": candidate.learning_rate,
        "l1": float(candidate.l1),
        "wd": float(candidate.wd),
        "positive_example_weight_mult": candidate.positive_weight,
        "lr_scheduler_step": schedule.step(total),
        "lr_scheduler_factor": schedule.factor(total),
        "lr_scheduler_minimum_lr": schedule.minimum,
    }
