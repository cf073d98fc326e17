"""Strict validation of requests against the model, compiled per operation to closures.

Types are known to be right already (protocols check them); this checks what remains: required members,
enums, lengths, ranges, patterns, unions. A shape without rules costs nothing: its check is None.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from typing import Any, Protocol

from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.texts import load, text
from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request

_LONGEST_ECHO = 1024
_MOST_PROBLEMS = 20
# A pattern may backtrack; a value that is this far too long is refused for its length alone.
_LONGEST_MATCHED = 100_000


@dataclass(slots=True)
class Problem:
    """A broken rule: where, what was seen, which rule (its name in ``texts.toml``, its text)."""

    path: str
    value: str
    rule: str
    name: str

    def within(self, step: str) -> "Problem":
        """Return the same problem as seen from one level further out."""
        return Problem(f"{step}.{self.path}" if self.path else step, self.value, self.rule, self.name)


Problems = Sequence[Problem]
Check = Callable[[Any], Problems]
"""Returns the problems of a value; an empty tuple where there are none."""

Broken = tuple[str, str]
"""A rule's text and its name."""

Rule = Callable[[Any], Broken | None]
"""Returns the rule that a scalar breaks."""

NONE: Problems = ()


class Validator:
    """Validates the requests of one service."""

    def __init__(self, service: Service) -> None:
        self._policy: Mapping[str, Any] = load("services.toml").get(service.name, {}).get("validation", {})
        self._only_required: bool = self._policy.get("only_required", False)
        self._deviations: Mapping[str, Mapping[str, Any]] = self._policy.get("shapes", {})
        self._operations: dict[tuple[str, bool], Check | None] = {}
        self._structures: dict[str, Check | None] = {}
        self._rules: dict[str, Rule | None] = {}

    @property
    def code(self) -> str:
        """The service's code of a request that breaks a rule."""
        return str(self._policy.get("code", ValidationError.code))

    def validate(self, operation: Operation, request: Request, *, only_body: bool = False) -> None:
        """Check a request.

        Parameters
        ----------
        only_body
            The members in path, query string and headers are known to be right.

        Raises
        ------
        ValidationError
            Listing every rule that the request breaks, with the service's own code.
        """
        key = (operation.name, only_body)
        if key not in self._operations:
            make = self._body if only_body else self._check
            self._operations[key] = make(operation.input)
        check = self._operations[key]
        problems = check(request) if check else NONE
        if problems:
            known = self._known_text(problems[0])
            raise ValidationError(known or _message(problems), code=self._code(operation, problems[0]))

    def _code(self, operation: Operation, problem: Problem) -> str:
        first = problem.path.partition(".")[0]
        members = operation.input.members.items()
        in_body = any(_lower_camel(name) == first and not member.location for name, member in members)
        return str(self._policy.get("body_code", self.code)) if in_body else self.code

    def _known_text(self, problem: Problem) -> str | None:
        for known in self._policy.get("texts", ()):
            if known["rule"] == problem.name and problem.path in known["members"]:
                return str(known["text"]).format(path=problem.path, value=problem.value)
        return None

    def _check(self, shape: Shape) -> Check | None:
        match shape.kind:
            case "structure":
                return self._structure(shape)
            case "list":
                return self._list(shape)
            case "map":
                return self._map(shape)
            case _:
                rule = self._rule(shape)
                return None if rule is None else _scalar_check(rule)

    def _structure(self, shape: Shape) -> Check | None:
        if shape.name in self._structures:
            return self._structures[shape.name]
        self._structures[shape.name] = self._late(shape.name)
        named = self._members(shape, outside=not self._only_required)
        check: Check | None = None
        if shape.traits.get("union") and not self._only_required:
            check = _union_check(tuple(shape.members), named)
        elif named or shape.required:
            check = _structure_check(shape.required, named)
        self._structures[shape.name] = check
        return check

    def _body(self, shape: Shape) -> Check | None:
        """Check what of a request is in its body."""
        required = [name for name in shape.required if not shape.members[name].location]
        named = self._members(shape, outside=False)
        return _structure_check(required, named) if required or named else None

    def _members(self, shape: Shape, *, outside: bool) -> Mapping[str, tuple[str, Check]]:
        """Return the checks of members that have any, those outside of the body included or not."""
        checks = {
            name: self._check(member)
            for name, member in shape.members.items()
            if outside or not member.location
        }
        return {name: (_lower_camel(name), check) for name, check in checks.items() if check}

    def _late(self, name: str) -> Check:
        # A structure that contains itself finds this while it is being compiled.
        def check(value: Any) -> Problems:
            compiled = self._structures[name]
            return compiled(value) if compiled else NONE

        return check

    def _list(self, shape: Shape) -> Check | None:
        size = self._size(shape)
        if shape.element.kind in ("structure", "list", "map"):
            return _container_check(size, self._check(shape.element), enumerate_from_one)
        rule = self._rule(shape.element)
        if rule is None:
            return _container_check(size, None, enumerate_from_one)
        return _scalars_check(size, rule, "elements")

    def _map(self, shape: Shape) -> Check | None:
        size = self._size(shape)
        key_rule = self._rule(shape.key)
        element = shape.element
        if element.kind in ("structure", "list", "map"):
            return _map_check(size, key_rule, None, self._check(element))
        return _map_check(size, key_rule, self._rule(element), None)

    def _size(self, shape: Shape) -> Rule | None:
        return None if self._only_required else _size_rule(shape)

    def _rule(self, shape: Shape) -> Rule | None:
        if shape.name not in self._rules:
            self._rules[shape.name] = self._scalar(shape)
        return self._rules[shape.name]

    def _scalar(self, shape: Shape) -> Rule | None:
        if self._only_required:
            return _enum_rule(shape.enum) if shape.enum else None
        return _scalar_rule(self._as_served(shape))

    def _as_served(self, shape: Shape) -> Shape:
        """Return a shape with the limits that the service has, where the model says something else."""
        if shape.name not in self._deviations:
            return shape
        served = copy(shape)
        served.traits = {**shape.traits, **self._deviations[shape.name]}
        return served


def _broken(name: str, **values: str) -> Broken:
    return text(f"validation.{name}", **values), name


def _message(problems: Problems) -> str:
    shown = [
        text("validation.failed", value=problem.value, path=problem.path, rule=problem.rule)
        for problem in problems[:_MOST_PROBLEMS]
    ]
    key = "validation.detected" if len(problems) == 1 else "validation.detected_many"
    return text(key, count=len(problems), errors="; ".join(shown))


def _lower_camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def enumerate_from_one(values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield elements with the steps AWS names them by: ``1.member``, ``2.member``."""
    for index, value in enumerate(values, 1):
        yield f"{index}.member", value


def _echo(value: Any) -> str:
    match value:
        case str():
            shown = f"'{value}'"
        case list():
            shown = f"'[{', '.join(_plain(item) for item in value)}]'"
        case dict():
            shown = f"'{{{', '.join(f'{key}={_plain(item)}' for key, item in value.items())}}}'"
        case _:
            shown = f"'{_plain(value)}'"
    return shown if len(shown) <= _LONGEST_ECHO else f"{shown[:_LONGEST_ECHO]}…'"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    return str(value)


def _scalar_check(rule: Rule) -> Check:
    def check(value: Any) -> Problems:
        broken = rule(value)
        return NONE if broken is None else [Problem("", _echo(value), *broken)]

    return check


def _structure_check(required: Sequence[str], checks: Mapping[str, tuple[str, Check]]) -> Check:
    def check(value: Mapping[str, Any]) -> Problems:
        problems = [
            Problem(_lower_camel(name), "null", *_broken("required"))
            for name in required
            if name not in value
        ]
        for name, item in value.items():
            known = checks.get(name)
            if known is not None:
                found = known[1](item)
                if found:
                    problems += [problem.within(known[0]) for problem in found]
        return problems

    return check


def _union_check(members: Sequence[str], checks: Mapping[str, tuple[str, Check]]) -> Check:
    inner = _structure_check((), checks)

    def check(value: Mapping[str, Any]) -> Problems:
        if len(value) != 1:
            return [Problem("", _echo(value), *_broken("union", members=", ".join(members)))]
        return inner(value)

    return check


def _container_check(
    size: Rule | None, element: Check | None, steps: Callable[[Any], Iterator[tuple[str, Any]]]
) -> Check | None:
    if size is None and element is None:
        return None

    def check(value: Any) -> Problems:
        broken = size(value) if size else None
        problems = [] if broken is None else [Problem("", _echo(value), *broken)]
        if element is not None:
            for step, item in steps(value):
                found = element(item)
                if found:
                    problems += [problem.within(step) for problem in found]
        return problems

    return check


def _scalars_check(size: Rule | None, rule: Rule, name: str) -> Check:
    def check(values: Any) -> Problems:
        broken = size(values) if size else None
        problems = [] if broken is None else [Problem("", _echo(values), *broken)]
        rules = dict.fromkeys(found[0] for value in values if (found := rule(value)) is not None)
        if rules:
            problems.append(Problem("", _echo(values), *_broken(name, rules=", ".join(rules))))
        return problems

    return check


def _map_check(
    size: Rule | None, key_rule: Rule | None, value_rule: Rule | None, value_check: Check | None
) -> Check | None:
    checks = [_container_check(size, value_check, lambda value: iter(value.items()))]
    if key_rule is not None:
        checks.append(_scalars_check(None, key_rule, "keys"))
    if value_rule is not None:
        by_value = _scalars_check(None, value_rule, "values")
        checks.append(
            lambda value: [replace(found, value=_echo(value)) for found in by_value([*value.values()])]
        )
    present = [check for check in checks if check is not None]
    if not present:
        return None
    return lambda value: [problem for check in present for problem in check(value)]


def _scalar_rule(shape: Shape) -> Rule | None:
    rules: list[Rule] = []
    if shape.enum:
        rules.append(_enum_rule(shape.enum))
    if shape.kind in ("string", "blob"):
        size = _size_rule(shape)
        rules += [size] if size else []
        if "pattern" in shape.traits and not shape.enum:
            rules.append(_pattern_rule(shape.traits["pattern"]))
    elif shape.kind in ("integer", "long", "float", "double"):
        size = _bounds_rule(shape, lambda value: value, "smallest", "largest")
        rules += [size] if size else []
    if len(rules) < 2:
        return rules[0] if rules else None
    return lambda value: next((found for rule in rules if (found := rule(value)) is not None), None)


def _size_rule(shape: Shape) -> Rule | None:
    return _bounds_rule(shape, len, "shortest", "longest")


def _bounds_rule(shape: Shape, measure: Callable[[Any], Any], low: str, high: str) -> Rule | None:
    smallest, largest = shape.traits.get("min"), shape.traits.get("max")
    if measure is len and not smallest:  # every length is at least zero
        smallest = None
    if smallest is None and largest is None:
        return None

    def rule(value: Any) -> Broken | None:
        size = measure(value)
        if largest is not None and size > largest:
            return _broken(high, limit=_number(largest))
        if smallest is not None and size < smallest:
            return _broken(low, limit=_number(smallest))
        return None

    return rule


def _number(limit: Any) -> str:
    return f"{Decimal(str(limit)).normalize():f}"


def _enum_rule(values: Sequence[str]) -> Rule:
    allowed = frozenset(values)

    def rule(value: Any) -> Broken | None:
        return None if value in allowed else _broken("enum", values=", ".join(values))

    return rule


class _Pattern(Protocol):
    """What `re` and `regex` have in common here."""

    def fullmatch(self, string: str, /) -> Any: ...


def _pattern_rule(pattern: str) -> Rule:
    compiled: list[_Pattern] = []

    def rule(value: str) -> Broken | None:
        if not compiled:  # few of a service's patterns are ever needed
            compiled.append(compile_pattern(pattern))
        if len(value) < _LONGEST_MATCHED and compiled[0].fullmatch(value):
            return None
        return _broken("pattern", pattern=pattern)

    return rule


def compile_pattern(pattern: str) -> _Pattern:
    r"""Compile a pattern of the models, which are written for Java.

    Some need the `regex` package (``\p{…}``, ``[\w-_]``), which is imported only then.
    """
    # Java's ranges of characters outside the basic plane are written as pairs of surrogates.
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    with suppress(re.error):
        return re.compile(pattern, re.ASCII)
    regex = import_module("regex")  # 40 ms that most servers never need

    compiled: _Pattern = regex.compile(pattern)
    return compiled
