"""Rules between the hyperparameters of XGBoost."""

from collections.abc import Mapping
from typing import Any

from wildsage.algorithms.xgboost.metric_names import BINARY
from wildsage.algorithms.xgboost.objectives import DEFAULT, MULTI_CLASS
from wildsage.toolkit.errors import UserError

_LINEAR_UPDATERS = frozenset({"shotgun", "coord_descent"})
_TREE_GROWERS = frozenset({"grow_colmaker", "distcol", "grow_histmaker", "grow_quantile_histmaker"})
_REFRESHERS = frozenset({"refresh", "prune"})


def check(values: Mapping[str, Any]) -> None:
    """Raise `UserError` for combinations that cannot train, with every broken rule in it."""
    problems = [
        *_check_objective(values),
        *_check_metrics(values),
        *_check_updater(values),
        *_check_constraints(values),
    ]
    if values.get("use_dask_gpu_training"):
        problems.append(
            "Some configurations unsuitable for Dask GPU training were found: Dask training is only available for"
            " `hist` (or `gpu_hist`) training on GPU instances, and there is no GPU here: remove"
            " 'use_dask_gpu_training'. Several instances train together without it"
        )
    if problems:
        raise UserError("Failed to validate hyperparameters. " + "; ".join(problems))


def _check_objective(values: Mapping[str, Any]) -> list[str]:
    objective = values.get("objective", DEFAULT)
    if objective in MULTI_CLASS and "num_class" not in values:
        return [f"Require input for parameter 'num_class' for multi-classification (objective '{objective}')"]
    if objective not in MULTI_CLASS and "num_class" in values:
        rule = f"'num_class' is for multi-classification, but the objective is '{objective}'"
        return [f"{rule}: remove num_class, or choose 'multi:softmax' or 'multi:softprob'"]
    return []


def _check_metrics(values: Mapping[str, Any]) -> list[str]:
    objective = values.get("objective", DEFAULT)
    tuned = str(values.get("_tuning_objective_metric") or "").removeprefix("validation:")
    metrics = [*values.get("eval_metric", []), *([tuned] if tuned else [])]
    problems = []
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        problems.append(
            f"Metric 'auc' can only be applied for classification and ranking problems, not for '{objective}'"
        )
    problems += [
        f"Metric '{name}' can only be applied for 'survival:aft' objective, not '{objective}'"
        for name in ("aft-nloglik", "interval-regression-accuracy")
        if name in metrics and objective != "survival:aft"
    ]
    binary = sorted(BINARY.intersection(metrics))
    if binary and values.get("num_class", 2) > 2:
        problems.append(
            f"Target is multiclass but average='binary': {', '.join(binary)} are metrics of two classes; use those"
            " that end in _macro or _micro"
        )
    return problems


def _check_updater(values: Mapping[str, Any]) -> list[str]:
    updaters = values.get("updater")
    if updaters is None:
        return []
    if values.get("booster") == "gblinear":
        broken = len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS
        rule = "Linear updater should be one of these options: 'shotgun', 'coord_descent'"
    elif values.get("process_type") == "update":
        broken = not _REFRESHERS.issuperset(updaters)
        rule = "process_type 'update' can only be used with updater 'refresh' and 'prune'"
    elif _LINEAR_UPDATERS.intersection(updaters):
        broken = True
        rule = (
            "Tree updater should be selected from these options: 'grow_colmaker', 'distcol', 'grow_histmaker',"
            " 'grow_skmaker', 'grow_quantile_histmaker', 'sync', 'refresh', 'prune'; 'shotgun' and 'coord_descent'"
            " need booster 'gblinear'"
        )
    else:
        broken = sum(updater in _TREE_GROWERS for updater in updaters) > 1
        rule = (
            "Only one tree grow plugin can be selected. Choose one from the following: 'grow_colmaker', 'distcol',"
            " 'grow_histmaker', 'grow_quantile_histmaker'"
        )
    return [rule] if broken else []


def _check_constraints(values: Mapping[str, Any]) -> list[str]:
    problems = []
    method = values.get("tree_method", "auto")
    if "monotone_constraints" in values and method not in {"exact", "hist"}:
        problems.append(
            "monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'"
        )
    if "interaction_constraints" in values and method not in {"exact", "hist", "approx"}:
        problems.append(
            "interaction_constraints can be used only when the tree_method parameter is set to either 'exact',"
            " 'hist' or 'approx'"
        )
    return problems
