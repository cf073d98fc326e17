"""Conditions in filter patterns: ``NAME = value``, joined by ``&&`` and ``||``, with parentheses.

JSON patterns and space-delimited ones share them; they differ in what a name is and where its values come from.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

_DEEPEST = 50
_SECONDS = 0.1
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_OPERATOR = re.compile(r"\s*(?P<operator>!=|<=|>=|=|<|>)\s*")
_VALUE = re.compile(r'"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<bare>[^\s"%(),&|{}\[\]=<>!]+)')
_KEYWORD = re.compile(r"\s+(?P<keyword>NOT\s+EXISTS|EXISTS|IS\s+NULL|IS\s+TRUE|IS\s+FALSE)\b", re.IGNORECASE)

Lookup = Callable[[str], Sequence[Any]]
"""The values that a name has in an event; none where it does not exist."""
Test = Callable[[Lookup], bool]


class PatternError(ValueError):
    """A filter pattern cannot be read. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the kinds of patterns.

    Attributes
    ----------
    name
        How a name is written.
    text_is_number
        Whether a text that looks like a number is compared as one.
    """

    name: "re.Pattern[str]"
    text_is_number: bool


def compile_regex(text: str) -> Callable[[str], bool]:
    """Return the search of a regular expression; one that takes too long finds nothing.

    Raises
    ------
    PatternError
        If it is none.
    """
    regex = import_module("regex")  # 20 ms that a start need not wait for
    try:
        compiled = regex.compile(text)
    except regex.error as error:
        raise PatternError(f"Invalid regular expression {text!r}: {error}") from None

    def search(message: str) -> bool:
        try:
            return compiled.search(message, timeout=_SECONDS) is not None
        except TimeoutError:
            return False

    return search


def read_condition(text: str, dialect: Dialect) -> Test:
    """Read conditions.

    Raises
    ------
    PatternError
        If they cannot be read.
    """
    return _Reader(text.strip(), dialect).read()


class _Reader:
    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text = text
        self._dialect = dialect
        self._position = 0
        self._depth = 0

    def read(self) -> Test:
        test = self._either()
        if self._position < len(self._text):
            self._fail()
        return test

    def _fail(self) -> NoReturn:
        raise PatternError(f"Invalid filter pattern at {self._text[self._position :].strip()[:40]!r}")

    def _take(self, sign: str) -> bool:
        while self._text[self._position : self._position + 1].isspace():
            self._position += 1
        if not self._text.startswith(sign, self._position):
            return False
        self._position += len(sign)
        return True

    def _match(self, pattern: "re.Pattern[str]") -> "re.Match[str] | None":
        found = pattern.match(self._text, self._position)
        if found is not None:
            self._position = found.end()
        return found

    def _either(self) -> Test:
        tests = [self._both()]
        while self._take("||"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda lookup: any(test(lookup) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("&&"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda lookup: all(test(lookup) for test in tests)

    def _one(self) -> Test:
        if not self._take("("):
            return self._comparison()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise PatternError(f"the filter pattern is nested more than {_DEEPEST} levels deep")
        test = self._either()
        self._depth -= 1
        if not self._take(")"):
            self._fail()
        return test

    def _comparison(self) -> Test:
        self._take("")
        found = self._match(self._dialect.name)
        if found is None or not found[0]:
            self._fail()
        name = found[0]
        keyword = self._match(_KEYWORD)
        if keyword is not None:
            return _keyword_test(name, " ".join(keyword["keyword"].upper().split()))
        operator = self._match(_OPERATOR)
        value = self._match(_VALUE) if operator is not None else None
        if operator is None or value is None:
            self._fail()
        return self._compared(name, operator["operator"], value)

    def _compared(self, name: str, operator: str, value: "re.Match[str]") -> Test:
        if operator in ("=", "!="):
            equals = self._equality(value)
            if operator == "=":
                return lambda lookup: any(equals(item) for item in lookup(name))

            def differs(lookup: Lookup) -> bool:
                values = lookup(name)
                return bool(values) and not any(equals(item) for item in values)

            return differs
        if value["bare"] is None or not _NUMBER.fullmatch(value["bare"]):
            raise PatternError(f"{operator} compares numbers, and {value[0]!r} is none")
        limit, compare = float(value["bare"]), _ORDERS[operator]
        return lambda lookup: any(
            number is not None and compare(number, limit) for number in map(self._number, lookup(name))
        )

    def _equality(self, value: "re.Match[str]") -> Callable[[Any], bool]:
        if value["regex"] is not None:
            search = compile_regex(value["regex"])
            return lambda item: isinstance(item, str) and search(item)
        phrase = value["phrase"]
        text = value["bare"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
        wild = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
        number = float(text) if phrase is None and _NUMBER.fullmatch(text) else None

        def equals(item: Any) -> bool:
            if number is not None and self._number(item) == number:
                return True
            return (
                not isinstance(item, (dict, list, bool))
                and item is not None
                and bool(wild.fullmatch(str(item)))
            )

        return equals

    def _number(self, item: Any) -> float | None:
        if isinstance(item, str):
            return float(item) if self._dialect.text_is_number and _NUMBER.fullmatch(item) else None
        return float(item) if isinstance(item, (int, float)) and not isinstance(item, bool) else None


_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _keyword_test(name: str, keyword: str) -> Test:
    if keyword == "EXISTS":
        return lambda lookup: bool(lookup(name))
    if keyword == "NOT EXISTS":
        return lambda lookup: not lookup(name)
    wanted = {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}[keyword]
    return lambda lookup: any(item is wanted for item in lookup(name))
