"""``train``: read the channels, boost, and write the best model."""

import re
import signal
from collections.abc import Mapping
from types import FrameType
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from wildsage.algorithms.xgboost.checkpoints import Checkpoints
from wildsage.algorithms.xgboost.custom_metrics import CUSTOM, evaluate
from wildsage.algorithms.xgboost.data import Table, read_table
from wildsage.algorithms.xgboost.metric_names import is_maximized
from wildsage.algorithms.xgboost.model import LIBSVM_ATTRIBUTE, save
from wildsage.algorithms.xgboost.versions import version_note
from wildsage.toolkit.errors import AlgorithmError, UserError
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.training import TrainingRun

_CONTAINER_ONLY = frozenset(
    {
        "num_round",
        "csv_weights",
        "early_stopping_rounds",
        "save_model_on_termination",
        "eval_metric",
        "_kfold",
        "_num_cv_round",
        "_tuning_objective_metric",
    }
)
_GONE = frozenset(
    {
        "silent",
        "sketch_eps",
        "dsplit",
        "predictor",
        "deterministic_histogram",
        "single_precision_histogram",
        "prob_buffer_row",
        "use_dask_gpu_training",
    }
)
"""Parameters of older versions and of GPUs: accepted, named in the log, without effect."""

_LABELS_BELOW_ONE = frozenset({"binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"})
_LABELS_NOT_NEGATIVE = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})

_USER_MISTAKES = (
    r"label and prediction size not match",
    r"feature_names mismatch",
    r"base_score must be in \(0,1\)",
    r"only pos or neg samples",
    r"label must be (?:non-?negative|positive)",
    r"[Ll]abel contains NaN",
    r"[Ww]eights must be (?:positive|non-negative)",
    r"Number of columns does not match",
    r"monotone constraint",
    r"gamma distribution|tweedie|PoissonRegression|GammaRegression|TweedieRegression",
    r"relevance degree|query (?:ID|group)|qid",
)


def train(run: TrainingRun) -> None:
    """Train and write ``xgboost-model``."""
    LOGGER.info(version_note(run.environment.variables.get("WILDSAGE_IMAGE_TAG", ""), xgboost.__version__))
    if len(run.environment.hosts) > 1:
        raise UserError(
            f"XGBoost on {len(run.environment.hosts)} instances is not available: set the instance count to 1"
        )
    values = run.hyperparameters
    tables = _read_tables(run)
    for name, table in tables.items():
        check_labels(name, table.labels, values)
    try:
        booster = _boost(run, values, tables)
    except xgboost.core.XGBoostError as error:
        # The library's own text ends in a stack of addresses.
        raise _as_container_error(error) from None
    first_index = tables["train"].first_index
    if first_index is not None:
        booster.set_attr(**{LIBSVM_ATTRIBUTE: str(first_index)})
    save(booster, run.paths.model)


def _read_tables(run: TrainingRun) -> dict[str, Table]:
    weights = bool(run.hyperparameters["csv_weights"])
    train = read_table(run.required_channel("train"), csv_weights=weights)
    LOGGER.info("Train matrix has %d rows and %d columns", len(train.labels), train.width)
    tables = {"train": train}
    channel = run.channel("validation")
    if channel is not None:
        table = read_table(channel, csv_weights=weights, first_index=train.first_index)
        LOGGER.info("Validation matrix has %d rows", len(table.labels))
        tables["validation"] = table
    return tables


def check_labels(channel: str, labels: NDArray[np.float32], values: Mapping[str, Any]) -> None:
    """Check labels against the objective, before the library does in other words.

    Raises
    ------
    UserError
        With the first label that breaks the rule.
    """
    objective = values.get("objective", "reg:squarederror")
    if objective in _LABELS_BELOW_ONE:
        good, rule = (labels >= 0) & (labels <= 1), "label must be in [0,1] for logistic regression"
    elif objective in {"multi:softmax", "multi:softprob"}:
        good = (labels >= 0) & (labels < values["num_class"]) & (labels % 1 == 0)
        rule = f"label must be in [0, num_class), num_class is {values['num_class']}"
    elif objective in _LABELS_NOT_NEGATIVE:
        good, rule = labels >= 0, f"label must be nonnegative for {objective}"
    else:
        good, rule = np.isfinite(labels), "Label contains NaN or infinity"
    if not good.all():
        raise UserError(f"{rule}: channel '{channel}' has the label {labels[~good][0]:g}")


def library_parameters(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Choose what the library gets: the job's values by their own names, metrics that it has itself."""
    gone = sorted(_GONE.intersection(values))
    if gone:
        LOGGER.info("Without effect here: %s", ", ".join(gone))
    ours = _CONTAINER_ONLY | _GONE
    parameters = {name: value for name, value in values.items() if name not in ours}
    if parameters.get("objective") == "reg:linear":
        parameters["objective"] = "reg:squarederror"
    if parameters.get("tree_method") == "gpu_hist":
        LOGGER.info("No GPU is used: tree_method gpu_hist runs as hist on the CPU")
        parameters["tree_method"] = "hist"
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in parameters:
            parameters[name] = str(parameters[name])
    threads = environment.get("OMP_NUM_THREADS", "")
    if "nthread" not in parameters and threads.isdecimal():
        parameters["nthread"] = int(threads)
    names = eval_metrics(values)
    native = [name for name in names if name not in CUSTOM]
    if native:
        parameters["eval_metric"] = native
    elif names:
        parameters["disable_default_eval_metric"] = 1
    return parameters


def eval_metrics(values: Mapping[str, Any]) -> list[str]:
    """List the metrics of a round: the job's, sorted, with the tuning objective among them."""
    given: list[str] = values.get("eval_metric", [])
    objective = str(values.get("_tuning_objective_metric") or "").removeprefix("validation:")
    return sorted({*given, objective}) if objective else given


def _boost(run: TrainingRun, values: Mapping[str, Any], tables: Mapping[str, Table]) -> Any:
    parameters = library_parameters(values, run.environment.variables)
    width = max(table.width for table in tables.values())
    matrices = {name: table.matrix(width, parameters.get("nthread")) for name, table in tables.items()}
    if parameters.get("objective") == "survival:aft":
        for name, matrix in matrices.items():
            matrix.set_float_info("label_lower_bound", tables[name].labels)
            matrix.set_float_info("label_upper_bound", tables[name].labels)
    custom = [name for name in eval_metrics(values) if name in CUSTOM]
    checkpoints = Checkpoints(run.paths) if Checkpoints.wanted(run.paths) else None
    start = checkpoints.latest() if checkpoints else None
    done = start.num_boosted_rounds() if start is not None else 0
    if start is not None:
        LOGGER.info("Resuming from the checkpoint of round %d", done)
    rounds = max(0, values["num_round"] - done)
    if rounds == 0:
        return start
    stopper = _Stopper() if values["save_model_on_termination"] else None
    callbacks = [_Report(done), checkpoints, stopper, _early_stopping(values, tables)]
    return xgboost.train(
        parameters,
        matrices["train"],
        rounds,
        evals=[(matrix, name) for name, matrix in matrices.items()],
        verbose_eval=False,
        xgb_model=start,
        custom_metric=_custom_metric(custom) if custom else None,
        callbacks=[callback for callback in callbacks if callback is not None],
    )


def _custom_metric(names: list[str]) -> Any:
    def measure(predictions: NDArray[Any], matrix: Any) -> list[tuple[str, float]]:
        return evaluate(names, predictions, matrix.get_label())

    return measure


def _early_stopping(values: Mapping[str, Any], tables: Mapping[str, Table]) -> Any:
    rounds = values.get("early_stopping_rounds")
    if rounds is None:
        return None
    names = eval_metrics(values)
    # The library asks for the direction of metrics that it does not know.
    return xgboost.callback.EarlyStopping(
        rounds=rounds,
        data_name="validation" if "validation" in tables else "train",
        metric_name=names[-1] if names else None,
        maximize=is_maximized(names[-1]) if names else None,
        save_best=True,
    )


class _Report(xgboost.callback.TrainingCallback):
    """One line a round: ``[0]<tab>train-rmse:8.1<tab>validation-rmse:8.0``."""

    def __init__(self, done: int) -> None:
        super().__init__()
        self._done = done

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del model
        numbers = [
            f"\t{data}-{metric}:{np.asarray(history[-1]).flat[0]:.5f}"
            for data, metrics in evals_log.items()
            for metric, history in metrics.items()
        ]
        print(f"[{epoch + self._done}]" + "".join(numbers), flush=True)  # noqa: T201 - the log's own form
        return False


class _Stopper(xgboost.callback.TrainingCallback):
    """Ends boosting after the round in which SIGTERM comes, so that its model is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        LOGGER.info("Stopped by the platform (SIGTERM): the model of this round is kept")
        self._stopped = True

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del model, epoch, evals_log
        return self._stopped


def _as_container_error(error: Exception) -> UserError | AlgorithmError:
    """Tell the user's mistakes from failures; the library's text without its stack."""
    text = str(error).partition("Stack trace")[0].strip()
    text = re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", text)
    if any(re.search(pattern, text) for pattern in _USER_MISTAKES):
        return UserError(text)
    return AlgorithmError(f"XGB train call failed with exception: {text}")
