"""The Condition element of IAM policies: operators, qualifiers, variables.

Source: "IAM JSON policy elements: Condition operators" and "Policy variables" (IAM User Guide).
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from wildsage.core.wildcards import wildcard_match

ContextValues = tuple[str, ...]
Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_IF_EXISTS = "IfExists"


class ConditionError(ValueError):
    """A condition that is not one. The message says how."""


def check_conditions(raw: Any) -> Conditions:
    """Read a Condition element.

    Raises
    ------
    ConditionError
        If an operator is unknown or a value is of the wrong kind.
    """
    if not isinstance(raw, dict):
        raise ConditionError("Condition must be a JSON object")
    conditions: dict[str, dict[str, tuple[str, ...]]] = {}
    for operator, tests in raw.items():
        _, name, _ = _split(operator)
        if name != "Null" and name not in _OPERATORS:
            raise ConditionError(f"Invalid Condition type : {operator}")
        if not isinstance(tests, dict):
            raise ConditionError(f"Condition {operator} must hold context keys and values")
        conditions[operator] = {key: _values(value, operator) for key, value in tests.items()}
    return conditions


def _values(raw: Any, operator: str) -> tuple[str, ...]:
    values = raw if isinstance(raw, list) else [raw]
    if not all(isinstance(value, str | int | float) for value in values):
        raise ConditionError(f"Condition {operator} compares with strings, numbers and booleans")
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def conditions_hold(conditions: Conditions, context: Mapping[str, ContextValues], missing: set[str]) -> bool:
    """Tell whether all conditions hold. Context keys that are not there are added to `missing`."""
    held = True
    for operator, tests in conditions.items():
        for key, expected in tests.items():
            held &= _holds(operator, context.get(key.lower()), expected, context)
            if key.lower() not in context:
                missing.add(key)
    return held


def _holds(
    operator: str,
    actual: ContextValues | None,
    expected: tuple[str, ...],
    context: Mapping[str, ContextValues],
) -> bool:
    qualifier, name, if_exists = _split(operator)
    if name == "Null":
        return (not actual) == (expected[:1] == ("true",))
    test, negative = _OPERATORS[name]
    if not actual:
        # A negative test holds of what is absent; so does ForAllValues.
        return if_exists or qualifier == "ForAllValues" or (negative and not qualifier)
    wanted = [value for value in (resolve_variables(text, context) for text in expected) if value is not None]

    def one(value: str) -> bool:
        return any(_safely(test, value, text) for text in wanted) != negative

    return all(map(one, actual)) if qualifier == "ForAllValues" else any(map(one, actual))


def _split(operator: str) -> tuple[str, str, bool]:
    """Return qualifier, name and whether the test is skipped where the key is absent."""
    qualifier, colon, rest = operator.partition(":")
    if not colon:
        qualifier, rest = "", operator
    elif qualifier not in ("ForAllValues", "ForAnyValue"):
        raise ConditionError(f"Invalid Condition type : {operator}")
    return qualifier, rest.removesuffix(_IF_EXISTS), rest.endswith(_IF_EXISTS)


def resolve_variables(text: str, context: Mapping[str, ContextValues]) -> str | None:
    """Put context values in the place of ``${key}``; None where one has no single value, nor a default.

    The characters of a value, and of ``${*}``, ``${?}`` and ``${$}``, stand for themselves.
    """
    absent = False

    def value_of(found: re.Match[str]) -> str:
        nonlocal absent
        name, comma, default = found[1].partition(",")
        if name in ("*", "?", "$"):
            return f"\0{name}"
        values = context.get(name.strip().lower(), ())
        if len(values) == 1:
            return "".join(f"\0{character}" for character in values[0])
        if comma:
            return default.strip().strip("'")
        absent = True
        return ""

    resolved = _VARIABLE.sub(value_of, text) if "${" in text else text
    return None if absent else resolved


# Operators: (actual, expected) → bool


def _plain(text: str) -> str:
    return text.replace("\0", "")


def _equals(actual: str, expected: str) -> bool:
    return actual == _plain(expected)


def _equals_any_case(actual: str, expected: str) -> bool:
    return actual.lower() == _plain(expected).lower()


def _like(actual: str, expected: str) -> bool:
    return wildcard_match(expected, actual)


def _arn_like(actual: str, expected: str) -> bool:
    """Compare part by part: a wildcard does not reach over a colon, except in the last part."""
    parts, patterns = actual.split(":", 5), expected.split(":", 5)
    return len(parts) == len(patterns) and all(map(wildcard_match, patterns, parts))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda actual, expected: compare(float(actual), float(_plain(expected)))


def _date(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda actual, expected: compare(_epoch(actual), _epoch(_plain(expected)))


def _epoch(text: str) -> float:
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _address(actual: str, expected: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(_plain(expected), strict=False)


def _binary(actual: str, expected: str) -> bool:
    return base64.b64decode(actual, validate=True) == base64.b64decode(_plain(expected), validate=True)


def _safely(test: Callable[[str, str], bool], actual: str, expected: str) -> bool:
    """A value that is not of the operator's kind matches nothing."""
    try:
        return test(actual, expected)
    except (ValueError, binascii.Error):
        return False


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_any_case, False),
    "StringNotEqualsIgnoreCase": (_equals_any_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "NumericEquals": (_number(lambda a, b: a == b), False),
    "NumericNotEquals": (_number(lambda a, b: a == b), True),
    "NumericLessThan": (_number(lambda a, b: a < b), False),
    "NumericLessThanEquals": (_number(lambda a, b: a <= b), False),
    "NumericGreaterThan": (_number(lambda a, b: a > b), False),
    "NumericGreaterThanEquals": (_number(lambda a, b: a >= b), False),
    "DateEquals": (_date(lambda a, b: a == b), False),
    "DateNotEquals": (_date(lambda a, b: a == b), True),
    "DateLessThan": (_date(lambda a, b: a < b), False),
    "DateLessThanEquals": (_date(lambda a, b: a <= b), False),
    "DateGreaterThan": (_date(lambda a, b: a > b), False),
    "DateGreaterThanEquals": (_date(lambda a, b: a >= b), False),
    "Bool": (_equals_any_case, False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    "BinaryEquals": (_binary, False),
}
"""By name: the test, and whether the condition is its negation."""
