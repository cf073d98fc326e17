"""What the ranges of a tuning job may be.

Source: "Define Hyperparameter Ranges", "Resource Limits for Automatic Model Tuning" (SageMaker Developer Guide).
"""

import math
from collections import Counter

from wildsage.core.errors import ResourceLimitExceededError, ValidationError
from wildsage.services.sagemaker.tuning_definitions import Definition, TunedRange
from wildsage.services.sagemaker.tuning_limits import check_quota

MOST_SEARCHED = 30
MOST_HYPERPARAMETERS = 100


def check_ranges(definition: Definition) -> None:
    """Refuse ranges that cannot be searched.

    Raises
    ------
    ValidationError
        Naming the hyperparameter, the value and the rule.
    ResourceLimitExceededError
        If there are too many.
    """
    ranges = definition.ranges
    if not ranges:
        raise ValidationError(
            definition.said(
                "there is nothing to tune: give ParameterRanges with at least one hyperparameter, or set Autotune"
            )
        )
    try:
        check_quota(
            "Number of hyperparameters that can be searched", "Hyperparameters", len(ranges), MOST_SEARCHED
        )
    except ResourceLimitExceededError as error:
        raise ResourceLimitExceededError(definition.said(error.message)) from None
    total = len(ranges) + len(definition.static)
    if total > MOST_HYPERPARAMETERS:
        raise ValidationError(
            definition.said(
                f"{total} hyperparameters (static and tunable) are more than {MOST_HYPERPARAMETERS}: remove some"
            )
        )
    _check_names(definition)
    for one in ranges:
        try:
            _check(one)
        except ValidationError as error:
            raise ValidationError(
                definition.said(f"The range of hyperparameter [{one.name}] is not valid: {error.message}")
            ) from None


def _check_names(definition: Definition) -> None:
    counts = Counter(one.name for one in definition.ranges)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValidationError(
            definition.said(f"Hyperparameters {_listed(twice)} have more than one range: give each one range")
        )
    both = [name for name in counts if name in definition.static]
    if both:
        raise ValidationError(
            definition.said(
                f"Hyperparameters {_listed(both)} are static and have a range: remove them from"
                " StaticHyperParameters or from ParameterRanges"
            )
        )
    if "" in counts:
        raise ValidationError(definition.said("a range has an empty Name: name the hyperparameter"))


def _check(one: TunedRange) -> None:
    if one.kind == "Categorical":
        repeated = [value for value, count in Counter(one.values).items() if count > 1]
        if repeated:
            raise ValidationError(f"the values {_listed(repeated)} are given twice")
        return
    low, high = _number(one, one.low, "MinValue"), _number(one, one.high, "MaxValue")
    if low >= high:
        raise ValidationError(
            f"MinValue [{one.low}] must be less than MaxValue [{one.high}]; make a single value static"
        )
    if not math.isfinite(high - low):
        raise ValidationError(
            f"MinValue [{one.low}] and MaxValue [{one.high}] are too far apart: their difference is no double"
        )
    if one.scale == "Logarithmic" and low <= 0:
        raise ValidationError(
            f"Logarithmic scaling is for values greater than 0, and MinValue is [{one.low}]"
        )
    if one.scale == "ReverseLogarithmic":
        if one.kind == "Integer":
            raise ValidationError("ReverseLogarithmic scaling is for continuous ranges only")
        if low < 0 or high >= 1:
            raise ValidationError(
                f"ReverseLogarithmic scaling is for ranges within 0 <= x < 1, and this is [{one.low}, {one.high}]"
            )


def _number(one: TunedRange, text: str, member: str) -> float:
    try:
        number = int(text) if one.kind == "Integer" else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        noun = "an integer" if one.kind == "Integer" else "a number"
        raise ValidationError(f"{member} [{text}] is not {noun}")
    return number


def _listed(names: list[str]) -> str:
    return f"[{', '.join(names)}]"
