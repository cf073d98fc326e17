"""When an alarm goes off.

Source: "Using Amazon CloudWatch alarms", "Evaluating an alarm" and "Configuring how CloudWatch alarms treat missing
data" (Amazon CloudWatch User Guide).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_FARTHER_BACK = 2
"""Periods that are looked at beyond those that are evaluated: their values stand in for missing ones."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alarm compares.

    Attributes
    ----------
    periods
        ``EvaluationPeriods``.
    needed
        ``DatapointsToAlarm``: of so many periods as many must breach.
    missing
        ``TreatMissingData``.
    """

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    @property
    def looks_back(self) -> int:
        """How many periods `judge` is given."""
        return self.periods + _FARTHER_BACK


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an alarm's state is.

    Attributes
    ----------
    state
        None: what it was.
    evaluated
        The values that decided, oldest first, each with the number of its period; none where missing ones did.
    """

    state: str | None
    evaluated: Sequence[tuple[int, float]]


def judge(rule: Rule, values: Sequence[float | None]) -> Verdict:
    """Tell the state of an alarm from the values of `Rule.looks_back` periods, oldest first; None is missing."""
    present = [(index, value) for index, value in enumerate(values) if value is not None]
    # Where enough values are there, missing ones do not matter: older ones stand in for them.
    present = present[-rule.periods :]
    breaches = COMPARISONS[rule.comparison]
    breaching = [(index, value) for index, value in present if breaches(value, rule.threshold)]
    unknown = rule.periods - len(present)
    if len(breaching) >= rule.needed:
        state: str | None = "ALARM"
    elif unknown == 0 or rule.missing == "notBreaching":
        state = "OK"
    elif rule.missing == "breaching":
        state = "ALARM" if len(breaching) + unknown >= rule.needed else "OK"
    elif not present:
        state = None if rule.missing == "ignore" else "INSUFFICIENT_DATA"
    elif len(breaching) < len(present):
        state = "OK"
    elif rule.missing == "ignore":
        state = None
    else:
        # All that is known breaches: enough of an alarm as soon as the first of it is old enough.
        state = "ALARM" if len(values) - present[0][0] >= rule.needed else "OK"
    decisive = breaching if state == "ALARM" else [item for item in present if item not in breaching]
    return Verdict(state, decisive)


def reason(rule: Rule, verdict: Verdict, values: Sequence[str]) -> str:
    """Say why an alarm is in its state, as CloudWatch does.

    Parameters
    ----------
    values
        The evaluated values with their times, newest first.
    """
    if not verdict.evaluated:
        noun = "datapoint was" if rule.periods == 1 else "datapoints were"
        if verdict.state == "INSUFFICIENT_DATA":
            return f"Insufficient Data: {rule.periods} {noun} unknown."
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}.get(rule.missing, "Missing")
        return f"Threshold Crossed: of {rule.periods} period(s), missing datapoint(s) were treated as [{treated}]."
    count = len(verdict.evaluated)
    negation = "" if verdict.state == "ALARM" else "not "
    plural = "s" if rule.periods > 1 else ""
    verb = "was" if count == 1 else "were"
    step = "OK -> ALARM" if verdict.state == "ALARM" else "ALARM -> OK"
    minimum = rule.needed if verdict.state == "ALARM" else rule.periods - rule.needed + 1
    return (
        f"Threshold Crossed: {count} out of the last {rule.periods} datapoint{plural} [{', '.join(values)}]"
        f" {verb} {negation}{_WORDS[rule.comparison]} the threshold ({rule.threshold})"
        f" (minimum {minimum} datapoint{'s' if minimum > 1 else ''} for {step} transition)."
    )
