"""Event patterns: read, check and evaluate them. Pure functions of a pattern and an event.

Source: "Amazon EventBridge event patterns" and "Comparison operators" (EventBridge User Guide). The texts of
errors are written after those of AWS.
"""

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wildsage.core.errors import ValidationError

Matcher = Callable[[Any], bool]
"""Tells whether the values found at a place of an event match."""

_ABSENT = object()
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
_LARGEST_NUMBER = 5e9
_DEEPEST = 100
"""Levels of a pattern: each costs some frames of the stack when it is evaluated."""


class PatternError(ValueError):
    """A pattern that is none. The message says why."""


def invalid_pattern(error: PatternError) -> ValidationError:
    """Return the error that clients get."""
    return ValidationError(
        f"Event pattern is not valid. Reason: {error}", code="InvalidEventPatternException"
    )


def parse_pattern(text: str) -> Matcher:
    """Read a pattern and return the test of an event.

    Raises
    ------
    PatternError
        Saying what is wrong.
    """
    try:
        raw = json.loads(text, parse_constant=_no_number)
        if not isinstance(raw, dict):
            raise PatternError("Filter is not an object")
        return _object(raw, 1)
    except RecursionError:
        raise PatternError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise PatternError(f"it is not JSON: {error}") from None


def _no_number(text: str) -> None:
    raise PatternError(f"{text} is no value of JSON")


def _object(raw: Mapping[str, Any], level: int) -> Matcher:
    if not raw:
        raise PatternError("Empty objects are not allowed")
    if level > _DEEPEST:
        raise PatternError(f"it has more than {_DEEPEST} levels")
    tests: list[Matcher] = []
    for name, wanted in raw.items():
        if name == "$or":
            tests.append(_either(wanted, level))
        elif isinstance(wanted, dict):
            tests.append(_at(name, _object(wanted, level + 1)))
        elif isinstance(wanted, list):
            tests.append(_at(name, _leaf(wanted)))
        else:
            raise PatternError(f'"{name}" must be an object or an array')

    def matches(value: Any) -> bool:
        # Of a list of objects, one must hold all that is wanted.
        candidates = [item for item in _flat(value) if isinstance(item, dict)] or [{}]
        return any(all(test(candidate) for test in tests) for candidate in candidates)

    return matches


def _at(name: str, test: Matcher) -> Matcher:
    return lambda value: test(value.get(name, _ABSENT))


def _either(raw: Any, level: int) -> Matcher:
    if not isinstance(raw, list) or len(raw) < 2 or not all(isinstance(item, dict) for item in raw):
        raise PatternError('"$or" must be an array of at least two objects')
    tests = [_object(item, level + 1) for item in raw]
    return lambda value: any(test(value) for test in tests)


def _leaf(raw: list[Any]) -> Matcher:
    if not raw:
        raise PatternError("Empty arrays are not allowed")
    tests = [_rule(item) for item in raw]

    def matches(found: Any) -> bool:
        values = list(_flat(found)) or [_ABSENT]
        return any(test(value) for value in values for test in tests)

    return matches


def _flat(value: Any) -> Iterator[Any]:
    """Yield the elements of a list, those of lists in it included; any other value is its own element."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        else:
            yield item


def _rule(raw: Any) -> Matcher:
    """Return the test of one value: a literal, or a comparison ``{"prefix": "a"}``."""
    if isinstance(raw, list):
        raise PatternError("Match value must be String, number, true, false, or null")
    if not isinstance(raw, dict):
        return _equals(raw)
    if len(raw) != 1:
        raise PatternError("Only one key allowed in match expression")
    ((name, argument),) = raw.items()
    if name not in _OPERATORS:
        raise PatternError(f"Unrecognized match type {name}")
    return _OPERATORS[name](argument)


def _equals(literal: Any) -> Matcher:
    # In Python True == 1; in JSON it is not.
    return lambda value: value == literal and isinstance(value, bool) == isinstance(literal, bool)


def _text(argument: Any, what: str) -> str:
    if not isinstance(argument, str):
        raise PatternError(f"{what} match pattern must be a string")
    return argument


def _on_text(test: Callable[[str], bool]) -> Matcher:
    return lambda value: isinstance(value, str) and test(value)


def _affix(what: str, test: Callable[[str, str], bool]) -> Callable[[Any], Matcher]:
    def operator(argument: Any) -> Matcher:
        if isinstance(argument, dict) and argument.keys() == {"equals-ignore-case"}:
            folded = _text(argument["equals-ignore-case"], what).lower()
            return _on_text(lambda value: test(value.lower(), folded))
        affix = _text(argument, what)
        return _on_text(lambda value: test(value, affix))

    return operator


def _ignoring_case(argument: Any) -> Matcher:
    folded = _text(argument, "equals-ignore-case").lower()
    return _on_text(lambda value: value.lower() == folded)


def _wildcard(argument: Any) -> Matcher:
    first, *rest = _literals(_text(argument, "wildcard"))
    if not rest:
        return _on_text(lambda value: value == first)
    *middle, last = rest

    def matches(value: str) -> bool:
        # Each literal at its first place behind the one before: linear, whatever the pattern.
        if not value.startswith(first) or not value.endswith(last):
            return False
        position, end = len(first), len(value) - len(last)
        for literal in middle:
            found = value.find(literal, position, end)
            if found < 0:
                return False
            position = found + len(literal)
        return position <= end

    return _on_text(matches)


def _literals(text: str) -> list[str]:
    """Split a wildcard pattern at its asterisks; one behind a backslash stands for itself."""
    literals = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            if escaped not in ("*", "\\"):
                raise PatternError(f"Invalid escape character in {text!r}: only * and \\ can be escaped")
            literals[-1] += escaped
        elif character == "*":
            if len(literals) > 1 and not literals[-1]:
                raise PatternError(f"Consecutive wildcard characters in {text!r}")
            literals.append("")
        else:
            literals[-1] += character
    return literals


def _exists(argument: Any) -> Matcher:
    if not isinstance(argument, bool):
        raise PatternError("exists match pattern must be either true or false.")
    # Only leaves exist: an object at the place of a value is none.
    return lambda value: (value is not _ABSENT and not isinstance(value, dict)) == argument


def _numeric(argument: Any) -> Matcher:
    if not isinstance(argument, list) or len(argument) not in (2, 4):
        raise PatternError("Value of numeric must be an array of one or two comparisons")
    comparisons = []
    for sign, bound in zip(argument[::2], argument[1::2], strict=True):
        if not isinstance(sign, str) or sign not in _COMPARISONS:
            raise PatternError(f"Unrecognized numeric range operator: {sign}")
        if not _is_number(bound) or abs(bound) > _LARGEST_NUMBER:
            raise PatternError(f"Value of numeric must be between -5.0e9 and 5.0e9, not {bound!r}")
        comparisons.append((_COMPARISONS[sign], bound))
    signs = "".join(sign[0] for sign in argument[::2])
    if len(signs) == 2 and signs not in ("<>", "><"):
        raise PatternError("A numeric range has a lower and an upper bound")
    return lambda value: _is_number(value) and all(compare(value, bound) for compare, bound in comparisons)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cidr(argument: Any) -> Matcher:
    try:
        network = ipaddress.ip_network(_text(argument, "cidr"), strict=False)
    except ValueError:
        raise PatternError(f"Malformed CIDR: {argument!r}") from None
    if "/" not in argument:
        raise PatternError(f"Malformed CIDR, one '/' required: {argument!r}")

    def inside(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return _on_text(inside)


def _anything_but(argument: Any) -> Matcher:
    if isinstance(argument, dict):
        if len(argument) != 1:
            raise PatternError("Only one key allowed in match expression")
        ((name, inner),) = argument.items()
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise PatternError(f"Unsupported anything-but pattern: {name}")
        refused = [_OPERATORS[name](item) for item in (inner if isinstance(inner, list) else [inner])]
    else:
        literals = argument if isinstance(argument, list) else [argument]
        if not all(isinstance(item, str) or _is_number(item) for item in literals):
            raise PatternError("anything-but takes strings and numbers")
        refused = [_equals(item) for item in literals]
    if not refused:
        raise PatternError("Empty arrays are not allowed")
    return lambda value: value is not _ABSENT and not any(test(value) for test in refused)


_OPERATORS: Mapping[str, Callable[[Any], Matcher]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _ignoring_case,
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    "wildcard": _wildcard,
}
