"""Schedule expressions: ``rate(5 minutes)``, ``cron(0 12 * * ? *)``, ``at(2026-01-31T12:00:00)``.

Source: "Creating a rule that runs on a schedule" (EventBridge User Guide).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

_RATE = re.compile(r"rate\((?P<value>[1-9]\d*) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_CRON = re.compile(r"cron\((?P<fields>[^()]+)\)")
_AT = re.compile(r"at\((?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


class ScheduleError(ValueError):
    """An expression that is none. The message says where."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a cron expression: its range, names of its values, and what else it may be."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    special: re.Pattern[str] = re.compile(r"(?!)")


_MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("day-of-month", 1, 31, special=re.compile(r"\?|L|LW|\d{1,2}W")),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 1, 7, _DAYS, re.compile(r"\?|L|([1-7]|[A-Z]{3})(L|#[1-5])")),
    _Field("year", 1970, 2199),
)


def check_schedule(expression: str, *, once: bool = False) -> None:
    """Raise unless an expression says when something is to happen.

    Parameters
    ----------
    once
        Whether ``at(…)`` is one.

    Raises
    ------
    ScheduleError
        Saying what is wrong.
    """
    rate = _RATE.fullmatch(expression)
    if rate is not None:
        if bool(rate["plural"]) == (rate["value"] == "1"):
            raise ScheduleError(f"{expression!r}: the unit is singular for 1 and plural for any other value")
        return
    cron = _CRON.fullmatch(expression)
    if cron is not None:
        _check_cron(cron["fields"].split())
        return
    at = _AT.fullmatch(expression) if once else None
    if at is None:
        forms = "rate(5 minutes), cron(0 12 * * ? *)" + (" or at(2026-01-31T12:00:00)" if once else "")
        raise ScheduleError(f"{expression!r} is none of the forms {forms}")
    try:
        datetime.fromisoformat(at["time"])
    except ValueError:
        raise ScheduleError(f"{expression!r} names a time that does not exist") from None


def _check_cron(values: list[str]) -> None:
    if len(values) != len(_FIELDS):
        names = " ".join(one.name for one in _FIELDS)
        raise ScheduleError(f"a cron expression has six fields ({names}), not {len(values)}")
    for one, value in zip(_FIELDS, values, strict=True):
        for part in value.split(","):
            _check_part(one, part)
    if (values[2] == "?") == (values[4] == "?"):
        raise ScheduleError("one of day-of-month and day-of-week is ?, and the other is not")


def _check_part(one: _Field, part: str) -> None:
    if one.special.fullmatch(part):
        return
    span, has_step, step = part.partition("/")
    first, is_range, last = span.partition("-")
    bounds = [] if span == "*" else [_number(one, first), *([_number(one, last)] if is_range else [])]
    if any(bound is None for bound in bounds) or (has_step and not (step.isdecimal() and int(step) > 0)):
        raise ScheduleError(f"{part!r} is no value of {one.name} ({one.low} to {one.high})")


def _number(one: _Field, text: str) -> int | None:
    number = one.names.get(text.upper(), int(text) if text.isdecimal() and len(text) <= 4 else None)
    return number if number is not None and one.low <= number <= one.high else None
