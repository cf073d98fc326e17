"""``train``: read the channels, boost, and write the best model, or those of a cross validation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from wildsage.algorithms.xgboost import library
from wildsage.algorithms.xgboost.boosting import (
    Boosted,
    Kept,
    Plan,
    Scores,
    Stop,
    Watcher,
    boost,
    line,
)
from wildsage.algorithms.xgboost.checkpoints import Checkpoints
from wildsage.algorithms.xgboost.cross_validation import Recorder, folds, mean_scores
from wildsage.algorithms.xgboost.data import Table, combined, read_table, warn_of_equal_files
from wildsage.algorithms.xgboost.hosts import Agreement, agree
from wildsage.algorithms.xgboost.model import MODEL_NAME
from wildsage.algorithms.xgboost.objectives import (
    DEFAULT,
    LABELS_NOT_NEGATIVE,
    LABELS_UP_TO_ONE,
    MULTI_CLASS,
    is_classification,
)
from wildsage.algorithms.xgboost.parameters import library_parameters, metrics_of
from wildsage.algorithms.xgboost.versions import version_note
from wildsage.toolkit.errors import AlgorithmError, UserError
from wildsage.toolkit.logs import LOGGER, PLAIN
from wildsage.toolkit.training import TrainingRun
from wildsage.toolkit.xgboost_network import add_up, together

_USER_MISTAKES = (
    r"label and prediction size not match",
    r"[Pp]reds\.[Ss]ize\(\) == .*label",
    r"feature_names mismatch",
    r"base_score must be in \(0,1\)",
    r"base_score",
    r"only pos or neg samples",
    r"label must be (?:non-?negative|positive)",
    r"[Ll]abel contains NaN",
    r"[Ww]eights must be (?:positive|non-negative)",
    r"Number of columns does not match",
    r"monotone constraint|[Ii]nteraction constraint",
    r"gamma distribution|tweedie|PoissonRegression|GammaRegression|TweedieRegression",
    r"relevance degree|query (?:ID|group)|qid",
    r"Parameter \w+ should be|Invalid (?:Input|Parameter)|[Ii]nvalid value|Out of range value for",
    r"exact tree method doesn't support|gradient-based sampling",
    r"CanModifyTree|No more tree left for updating",
    r"Unknown (?:tree )?updater|Unknown objective|Unknown metric|unknown metric",
    r"num_class|can only be used with",
)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one host does.

    Attributes
    ----------
    is_writer
        It writes models and checkpoints.
    stop
        Where a model is kept when the job is stopped.
    """

    run: TrainingRun
    plan: Plan
    tables: Mapping[str, Table]
    width: int
    is_writer: bool
    stop: Stop | None

    def matrix(self, table: Table) -> Any:
        """Make the library's matrix of a table."""
        parameters = dict(self.plan.parameters)
        made = table.matrix(self.width, parameters.get("nthread"))
        if parameters.get("objective") == "survival:aft":  # nothing is censored
            made.set_float_info("label_lower_bound", table.labels)
            made.set_float_info("label_upper_bound", table.labels)
        return made

    def report(self, number: int, scores: Scores) -> None:
        """Write the line of a round."""
        for data, metrics in scores.items():
            self.run.metrics.last.update({f"{data}:{name}": value for name, value in metrics.items()})
        PLAIN.info(line(number, scores))

    def boosted(self, matrices: Mapping[str, Any], fold: int | None = None) -> Boosted:
        """Boost one model and write it; of several it is the one of a fold."""
        target = self.run.paths.model / (MODEL_NAME if fold is None else f"{MODEL_NAME}-{fold}")
        folder = self.run.paths.checkpoints
        watchers: list[Watcher] = []
        start = None
        if folder is not None:
            checkpoints = Checkpoints(
                folder if fold is None else folder / f"model-{fold}", writes=self.is_writer
            )
            start = checkpoints.latest()
            watchers.append(checkpoints)
        if self.stop is not None:
            watchers += [Kept(target)] if self.is_writer else []
            watchers.append(self.stop)
        if start is None:
            _check_builds_trees(self.run.hyperparameters)
        done = boost(self.plan, matrices, watchers, start, self.report)
        if self.is_writer:
            library.write_artifact(done.booster, target)
        return done


def train(run: TrainingRun) -> None:
    """Train on all hosts that have data; the first of them writes the models."""
    LOGGER.info(version_note(run.environment.variables.get("WILDSAGE_IMAGE_TAG", ""), xgboost.__version__))
    LOGGER.info("Determined 0 GPU(s) available on the instance.")
    names = run.environment.hosts
    with run.collective() as hosts:
        LOGGER.info(
            "Single node training."
            if hosts.is_alone
            else f"Distributed node training with {len(names)} hosts: {list(names)}"
        )
        tables = _read_tables(run, is_alone=hosts.is_alone)
        agreed = agree(hosts, list(tables.values()))
        for name, table in tables.items():
            check_labels(name, table.labels, run.hyperparameters)
        with together(hosts, names, agreed.ranks):
            if tables:
                _train(run, tables, agreed, is_writer=hosts.rank == agreed.ranks[0])


def _train(run: TrainingRun, tables: Mapping[str, Table], agreed: Agreement, *, is_writer: bool) -> None:
    values = run.hyperparameters
    metrics = metrics_of(values)
    run.paths.model.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        library_parameters(values, metrics, run.environment.variables),
        metrics,
        values["num_round"],
        _patience(values, metrics.stopping, tables),
        add_up,
    )
    stop = Stop() if values["save_model_on_termination"] else None
    work = _Work(run, plan, tables, agreed.width, is_writer, stop)
    try:
        if "_kfold" in values:
            _cross_validate(work)
        else:
            work.boosted({name: work.matrix(table) for name, table in tables.items()})
    except xgboost.core.XGBoostError as error:
        # The library's own text ends in a stack of addresses.
        raise _as_container_error(error) from None


def _check_builds_trees(values: Mapping[str, Any]) -> None:
    if values.get("process_type") == "update" and values.get("booster") != "gblinear":
        raise UserError(
            "The value 'update' is not valid for the 'process_type' hyperparameter: it changes the trees of a model,"
            " and the job starts without one. Remove process_type and updater, or go on from a checkpoint"
        )


def _patience(values: Mapping[str, Any], metric: str | None, tables: Mapping[str, Table]) -> int | None:
    rounds: int | None = values.get("early_stopping_rounds")
    if rounds is None:
        return None
    if "validation" not in tables and "_kfold" not in values:
        LOGGER.warning("early_stopping_rounds is without effect: the job has no channel 'validation'")
        return None
    if metric is None:
        LOGGER.warning("early_stopping_rounds is without effect: the job gives no eval_metric to follow")
        return None
    return rounds


def _cross_validate(work: _Work) -> None:
    values, count = work.run.hyperparameters, work.run.hyperparameters["_kfold"]
    rounds, objective = values["_num_cv_round"], values.get("objective", DEFAULT)
    table = combined(list(work.tables.values()), work.width)
    if table.groups is not None:
        raise UserError("_kfold cannot be used with rows that have groups (qid): remove one of them")
    whole = work.matrix(table)
    LOGGER.info("Run %d-round of %d-fold cross validation with %d rows", rounds, count, len(table.labels))
    recorder = Recorder(table.labels, rounds, objective)
    scores = []
    parts = folds(table.labels, count, rounds, values.get("seed", 0), stratified=is_classification(objective))
    for number, (train_rows, held_out) in enumerate(parts):
        LOGGER.info("Train cross validation fold %d", number % count + 1)
        matrices = {"train": _slice(whole, train_rows), "validation": _slice(whole, held_out)}
        done = work.boosted(matrices, number)
        scores.append(done.scores)
        held = matrices["validation"]
        recorder.record(
            held_out, library.predict(done.booster, held, margin=True), library.predict(done.booster, held)
        )
        if work.stop is not None and work.stop.is_wanted:
            return
        if (number + 1) % count == 0:
            LOGGER.info("The metrics of round %d cross validation", (number + 1) // count)
            work.report(values["num_round"], mean_scores(scores[-count:]))
    if rounds > 1:
        LOGGER.info("The overall metrics of %d-round cross validation", rounds)
        work.report(values["num_round"], mean_scores(scores))
    folder = work.run.paths.output / "data"
    LOGGER.info("Storing predictions on validation set(s) in %s", folder)
    recorder.save(folder)


def _slice(matrix: Any, rows: NDArray[np.int64]) -> Any:
    return matrix.slice(rows.astype(np.int32))


def _read_tables(run: TrainingRun, *, is_alone: bool) -> dict[str, Table]:
    """Read the channels; one of several hosts to which a channel brought nothing has none."""
    weights = bool(run.hyperparameters["csv_weights"])
    train_channel, validation = run.required_channel("train"), run.channel("validation")
    for channel in filter(None, (train_channel, validation)):
        if not is_alone and channel.is_empty:
            LOGGER.warning(
                "Host %s has no data in channel %s: it takes no part. Divide the data into at least as many objects"
                " as there are hosts.",
                run.environment.current_host,
                channel.name,
            )
            return {}
    warn_of_equal_files(train_channel, validation)
    tables = {
        channel.name: read_table(channel, csv_weights=weights)
        for channel in filter(None, (train_channel, validation))
    }
    for name, table in tables.items():
        columns = f" and {table.width} columns" if name == "train" else ""
        LOGGER.info("%s matrix has %d rows%s", name.capitalize(), len(table.labels), columns)
    return tables


def check_labels(channel: str, labels: NDArray[np.float32], values: Mapping[str, Any]) -> None:
    """Check labels against the objective, before the library does in other words.

    Raises
    ------
    UserError
        With the first label that breaks the rule.
    """
    objective = values.get("objective", DEFAULT)
    if objective in LABELS_UP_TO_ONE:
        good, rule = (labels >= 0) & (labels <= 1), "label must be in [0,1] for logistic regression"
    elif objective in MULTI_CLASS:
        good = (labels >= 0) & (labels < values["num_class"]) & (labels % 1 == 0)
        rule = f"label must be in [0, num_class), num_class is {values['num_class']}"
    elif objective in LABELS_NOT_NEGATIVE:
        good, rule = labels >= 0, f"label must be nonnegative for {objective}"
    else:
        good, rule = np.isfinite(labels), "Label contains NaN or infinity"
    if not good.all():
        row = int(np.argmin(good))
        raise UserError(f"{rule}: channel '{channel}' has the label {labels[row]:g} in row {row + 1}")


def _as_container_error(error: Exception) -> UserError | AlgorithmError:
    """Tell the user's mistakes from failures; the library's text without its stack."""
    text = library.first_lines(error)
    if any(re.search(pattern, text) for pattern in _USER_MISTAKES):
        return UserError(text)
    return AlgorithmError(f"XGB train call failed with exception: {text}")
