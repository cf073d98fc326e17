"""Autotune: what a tuning job leaves open is chosen here, before anything else looks at it.

Of a built-in algorithm the declaration says what may be searched, and in which range. Of any other image the example
(``ValueHint``) is all that is known of a hyperparameter: a number is searched from a tenth to ten times of it. What the
SDK itself says to a script's container (``sagemaker_…``) comes among the examples, and is no hyperparameter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request
from wildsage.services.sagemaker.tuning_algorithms import declared_range
from wildsage.services.sagemaker.tuning_definitions import Members, TunedRange, members_of, ranges_of
from wildsage.services.sagemaker.tuning_limits import has_end
from wildsage.toolkit.spec import AlgorithmSpec

_FACTOR = 10
_OF_SDK = "sagemaker_"
_BOOLEANS = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))


def autotuned(request: Request, specs: Sequence[AlgorithmSpec | None]) -> Request:
    """Return a request with ranges, early stopping and completion criteria that it leaves open.

    Parameters
    ----------
    specs
        Of each training job definition the declaration of its built-in algorithm.

    Raises
    ------
    ValidationError
        Where there are two examples of a hyperparameter.
    """
    config = dict(request["HyperParameterTuningJobConfig"])
    changed = {**request, "HyperParameterTuningJobConfig": config}
    if "TrainingJobDefinitions" in request:
        changed["TrainingJobDefinitions"] = [
            _with_ranges(one, one.get("HyperParameterRanges", {}), spec, "HyperParameterRanges")
            for one, spec in zip(request["TrainingJobDefinitions"], specs, strict=True)
        ]
    else:
        one = request["TrainingJobDefinition"]
        given = config.get("ParameterRanges") or one.get("HyperParameterRanges", {})
        filled = _with_ranges(one, given, specs[0], "HyperParameterRanges")
        config["ParameterRanges"] = filled.pop("HyperParameterRanges")
        changed["TrainingJobDefinition"] = filled
    _settle(config)
    return changed


def refuse_examples(request: Request) -> None:
    """Refuse ``AutoParameters`` where nothing is chosen by them.

    Raises
    ------
    ValidationError
        If there are any.
    """
    definitions = [request.get("TrainingJobDefinition", {}), *request.get("TrainingJobDefinitions", ())]
    given = [one.get("HyperParameterRanges", {}) for one in definitions]
    given.append(request["HyperParameterTuningJobConfig"].get("ParameterRanges", {}))
    names = [name for ranges in given for name in _names_of_examples(ranges)]
    if names:
        raise ValidationError(
            f"AutoParameters [{', '.join(names)}] are examples for Autotune, which is not asked for: set Autotune, or"
            " give each a range or a static value"
        )


def _settle(config: dict[str, Any]) -> None:
    """Let a search that nothing else ends end by its convergence."""
    if config["Strategy"] != "Grid" and not has_end(config) and not config.get("TuningJobCompletionCriteria"):
        config["TuningJobCompletionCriteria"] = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}


def _with_ranges(one: Members, given: Members, spec: AlgorithmSpec | None, member: str) -> dict[str, Any]:
    """Return a definition with a range for all that is to be searched; the rest of the hints are static."""
    ranges, static = list(ranges_of(given)), dict(one.get("StaticHyperParameters", {}))
    hints = {item["Name"]: item["ValueHint"] for item in given.get("AutoParameters", ())}
    _check_names(_names_of_examples(given))
    taken = {item.name for item in ranges} | static.keys()
    for name, hint in hints.items():
        found = _range_of(name, hint, spec)
        if name in taken:  # Describe shows the examples beside what they became, and can be asked for again
            continue
        if found is None:
            static[name] = hint
        else:
            ranges.append(found)
    if spec is not None and not ranges:
        ranges += _declared(spec, static)
    kept = {"AutoParameters": given["AutoParameters"]} if hints else {}
    return {**one, "StaticHyperParameters": static, member: {**kept, **members_of(ranges)}}


def _names_of_examples(given: Members) -> list[str]:
    return [item["Name"] for item in given.get("AutoParameters", ())]


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValidationError(
            f"AutoParameters [{', '.join(twice)}] are given twice: give one example of each hyperparameter"
        )


def _declared(spec: AlgorithmSpec, static: Mapping[str, str]) -> list[TunedRange]:
    found = (declared_range(item) for item in spec.hyperparameters if item.name not in static)
    return [one for one in found if one is not None]


def _range_of(name: str, hint: str, spec: AlgorithmSpec | None) -> TunedRange | None:
    if spec is None:
        return _around(name, hint)
    named = (item for item in spec.hyperparameters if name in (item.name, *item.aliases))
    item = next(named, None)
    return None if item is None else declared_range(item)


def _around(name: str, hint: str) -> TunedRange | None:
    """Return a range around an example; None: it is a text, or no hyperparameter."""
    if name.startswith(_OF_SDK):
        return None
    for pair in _BOOLEANS:
        if hint in pair:
            return TunedRange(name, "Categorical", values=pair)
    try:
        return _around_integer(name, int(hint))
    except ValueError:
        pass
    try:
        return _around_number(name, float(hint))
    except ValueError:
        return None


def _around_integer(name: str, value: int) -> TunedRange | None:
    if value <= 0:
        return None
    return TunedRange(name, "Integer", str(max(1, value // _FACTOR)), str(value * _FACTOR), "Auto")


def _around_number(name: str, value: float) -> TunedRange | None:
    if not 0 < value < float("inf"):
        return None
    # What is below 1 is mostly a share or a rate: it stays below.
    high = min(value * _FACTOR, 1.0) if value < 1 else value * _FACTOR
    return TunedRange(name, "Continuous", repr(value / _FACTOR), repr(high), "Logarithmic")
