"""What the library gets of a job's hyperparameters, and which metrics each round has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wildsage.algorithms.xgboost.custom_metrics import CUSTOM
from wildsage.algorithms.xgboost.objectives import DEFAULT
from wildsage.toolkit.logs import LOGGER

_CONTAINER_ONLY: Final = frozenset(
    {
        "num_round",
        "csv_weights",
        "early_stopping_rounds",
        "save_model_on_termination",
        "eval_metric",
        "use_dask_gpu_training",
        "_kfold",
        "_num_cv_round",
        "_tuning_objective_metric",
    }
)
_TWEEDIE: Final = "tweedie-nloglik"

Parameters = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a job, by whose they are.

    Attributes
    ----------
    native
        Of the library; empty: its default for the objective.
    custom
        Of `custom_metrics`.
    stopping
        The one that early stopping follows; None: there is none.
    """

    native: tuple[str, ...]
    custom: tuple[str, ...]
    stopping: str | None


def metrics_of(values: Mapping[str, Any]) -> Metrics:
    """List the metrics: those of the job and of its tuning job, sorted where there are both."""
    given: list[str] = values.get("eval_metric", [])
    text = str(values.get("_tuning_objective_metric") or "").removeprefix("validation:")
    objective = text.split(",") if text else []
    names = sorted({*given, *objective}) if objective and given else objective or given
    followed = objective or given
    return Metrics(
        tuple(name for name in names if name not in CUSTOM),
        tuple(name for name in names if name in CUSTOM),
        metric_name(followed[-1]) if followed else None,
    )


def library_parameters(
    values: Mapping[str, Any], metrics: Metrics, environment: Mapping[str, str]
) -> Parameters:
    """Choose what the library gets, by its own names and in its own spelling.

    Hyperparameters that its version does not know are passed on as well: it names them in the log.
    """
    found = {
        name: _spelled(name, value)
        for name, value in values.items()
        if name not in _CONTAINER_ONLY and value is not None
    }
    if found.get("objective") == "reg:linear":
        found["objective"] = DEFAULT
    if found.get("tree_method") == "gpu_hist":
        LOGGER.info("No GPU is used: tree_method gpu_hist runs as hist on the CPU")
        found["tree_method"] = "hist"
    threads = environment.get("OMP_NUM_THREADS", "")
    if "nthread" not in found and threads.isdecimal():
        found["nthread"] = int(threads)
    power = values.get("tweedie_variance_power", 1.5)
    # The library has no metric of the bare name: it wants to know the power.
    named = (f"{_TWEEDIE}@{power:g}" if name == _TWEEDIE else name for name in metrics.native)
    return [*found.items(), *(("eval_metric", name) for name in named)]


def metric_name(name: str) -> str:
    """Return the name that a log line has for what the library calls a metric."""
    return _TWEEDIE if name.startswith(f"{_TWEEDIE}@") else name


def _spelled(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if name == "updater":
        return ",".join(value)
    # Parentheses and brackets, as the library reads them.
    return str(value) if isinstance(value, tuple | list) else value
