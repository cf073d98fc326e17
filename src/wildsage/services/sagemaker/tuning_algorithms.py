"""What a built-in algorithm's declaration says of its tuning: metrics, hyperparameters, ranges."""

from collections.abc import Mapping

from wildsage.core.errors import ValidationError
from wildsage.jobs.metrics import InvalidExpressionError, compile_expression
from wildsage.services.sagemaker.tuning_definitions import Definition, RangeKind, TunedRange
from wildsage.toolkit.hyperparameters import (
    Boolean,
    Categorical,
    Continuous,
    Hyperparameter,
    HyperparameterError,
    Integer,
)
from wildsage.toolkit.spec import AlgorithmSpec

_NUMBERS: Mapping[RangeKind, tuple[type[Hyperparameter], ...]] = {
    "Integer": (Integer, Continuous),
    "Continuous": (Continuous,),
    "Categorical": (Hyperparameter,),
}
"""Which hyperparameters a kind of range is for: every number is a number, and anything may be listed."""


def check_declared(definition: Definition, spec: AlgorithmSpec) -> None:
    """Refuse what an algorithm would refuse, or does not report.

    Raises
    ------
    ValidationError
        With AWS's texts where they are known.
    """
    _check_objective(definition, spec)
    _check_tunable(definition, spec)
    declared = _by_name(spec)
    for one in definition.ranges:
        _check_range(definition, one, declared[one.name])
    _check_static(definition, spec)


def check_custom_objective(definition: Definition) -> None:
    """Refuse an objective that no metric definition of an own image or script finds.

    Raises
    ------
    ValidationError
        Where none has its name with AWS's text.
    """
    metric = definition.objective["MetricName"]
    definitions = definition.members["AlgorithmSpecification"].get("MetricDefinitions", ())
    given = [one["Name"] for one in definitions]
    if given.count(metric) > 1:
        raise ValidationError(
            definition.said(
                f"MetricDefinitions define the objective metric [{metric}] {given.count(metric)} times: define it once"
            )
        )
    if metric in given:
        _check_group(definition, definitions[given.index(metric)]["Regex"])
    else:
        raise ValidationError(
            definition.said(
                "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric"
                f" definitions. The objective is [{metric}], the definitions are [{', '.join(given)}]"
            )
        )


def _check_group(definition: Definition, regex: str) -> None:
    try:
        groups: int = compile_expression(regex).groups
    except InvalidExpressionError:
        return  # every training job is refused for it
    if not groups:
        raise ValidationError(
            definition.said(
                f"The Regex [{regex}] of the objective metric [{definition.objective['MetricName']}] has no group: put"
                " what matches the value in parentheses"
            )
        )


def check_early_stopping(definition: Definition, spec: AlgorithmSpec) -> None:
    """Refuse early stopping by a metric that the algorithm reports only at its end.

    Raises
    ------
    ValidationError
        Naming the metrics that can be used.
    """
    possible, metric = spec.early_stopping_metrics, definition.objective["MetricName"]
    if possible is not None and metric not in possible:
        raise ValidationError(
            definition.said(
                f"Early stopping of {spec.title} needs an objective that it reports after each epoch:"
                f" [{', '.join(possible)}], not [{metric}]. Choose one of them, or set TrainingJobEarlyStoppingType to Off"
            )
        )


def declared_range(item: Hyperparameter) -> TunedRange | None:
    """Return the range that an algorithm recommends; None: the hyperparameter is not for tuning."""
    tunable = item.tunable
    if tunable is None:
        return None
    if isinstance(item, Categorical):
        return TunedRange(item.name, "Categorical", values=item.choices)
    if isinstance(item, Boolean):
        return TunedRange(item.name, "Categorical", values=("true", "false"))
    if tunable.low is None or tunable.high is None:
        return None
    if isinstance(item, Integer):
        return TunedRange(item.name, "Integer", str(int(tunable.low)), str(int(tunable.high)), tunable.scale)
    return TunedRange(item.name, "Continuous", repr(tunable.low), repr(tunable.high), tunable.scale)


def _by_name(spec: AlgorithmSpec) -> dict[str, Hyperparameter]:
    return {name: item for item in spec.hyperparameters for name in (item.name, *item.aliases)}


def _check_objective(definition: Definition, spec: AlgorithmSpec) -> None:
    name, goal = definition.objective["MetricName"], definition.objective["Type"]
    goals = {metric.name: metric.goal for metric in spec.metrics if metric.goal is not None}
    if name not in goals:
        raise ValidationError(
            definition.said(
                f"The objective metric for the hyperparameter tuning job, [{name}], isn't valid for the"
                f" [{definition.image}] algorithm. Choose a valid objective metric: [{', '.join(goals)}]"
            )
        )
    if goals[name] != goal:
        raise ValidationError(
            definition.said(
                f"The objective metric type, [{goal}], that you specified for objective metric, [{name}], isn't valid"
                f" for the [{definition.image}] algorithm. Choose a valid objective metric type: [{goals[name]}]"
            )
        )


def _check_tunable(definition: Definition, spec: AlgorithmSpec) -> None:
    tunable = [name for name, item in _by_name(spec).items() if item.tunable is not None]
    others = [one.name for one in definition.ranges if one.name not in tunable]
    if others:
        raise ValidationError(
            definition.said(
                "The hyperparameter tuning job you requested contains the following untunable hyperparameters:"
                f" [{', '.join(others)}]. For the algorithm, {definition.image}, you can tune only"
                f" [{', '.join(tunable)}]. Delete untunable hyperparameters."
            )
        )


def _check_range(definition: Definition, one: TunedRange, declared: Hyperparameter) -> None:
    """Refuse values that the algorithm does not take. The recommended range is a recommendation."""
    if not isinstance(declared, _NUMBERS[one.kind]):
        raise ValidationError(
            definition.said(
                f"The hyperparameter [{one.name}] cannot have a {one.kind} range: it expects {declared.expectation}"
            )
        )
    for text in one.ends:
        try:
            declared.parse(text)
        except HyperparameterError as error:
            raise ValidationError(
                definition.said(f"The range of hyperparameter [{one.name}] is not valid: {error}")
            ) from None


def _check_static(definition: Definition, spec: AlgorithmSpec) -> None:
    """Refuse static hyperparameters that the algorithm does not have or take, and those that are missing."""
    declared, problems = _by_name(spec), []
    for name, text in definition.static.items():
        if name not in declared:
            problems.append(f"the hyperparameter '{name}' is unknown")
            continue
        try:
            declared[name].parse(text)
        except HyperparameterError as error:
            problems.append(str(error))
    given = {declared[name].name for name in definition.static if name in declared}
    given |= {declared[one.name].name for one in definition.ranges}
    missing = [item.name for item in spec.hyperparameters if item.required and item.name not in given]
    if missing:
        problems.append(f"no value or range is given for the required [{', '.join(missing)}]")
    if problems:
        raise ValidationError(
            definition.said(f"StaticHyperParameters are not valid for {spec.title}: {'; '.join(problems)}")
        )
