"""SEARCH: metrics by namespace, dimensions and words.

Source: "Search expression syntax" (Amazon CloudWatch User Guide). ``{Namespace, Dimension}`` restricts to metrics
with exactly these dimensions; terms are joined by AND, OR, NOT and parentheses. A term without quotes matches
whole words of a metric's texts; one in quotes matches a part of them; behind ``Property=`` it is about that one.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from wildsage.store.metrics import Metric
from wildsage.telemetry.expressions import ExpressionError

_SCHEMA = re.compile(r"\s*\{(?P<parts>[^}]*)\}")
_TOKEN = re.compile(
    r'\s*(?:(?P<sign>[()])|(?:(?P<property>[^\s="()]+)\s*=\s*)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s="()]+)))'
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DEEPEST = 50

Test = Callable[[Metric], bool]


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Which metrics a search finds.

    Attributes
    ----------
    namespace
        The only one; None: all.
    matches
        The test of a metric.
    """

    namespace: str | None
    matches: Test


def read_search(text: str) -> SearchTerms:
    """Read the text of a SEARCH.

    Raises
    ------
    ExpressionError
        If it cannot be read.
    """
    schema = _SCHEMA.match(text)
    if schema is None:
        return SearchTerms(None, _Terms(text, 0).read())
    namespace, *names = (part.strip().strip('"') for part in schema["parts"].split(","))
    wanted = sorted(names)
    terms = _Terms(text, schema.end()).read()

    def matches(metric: Metric) -> bool:
        # Properties of the metric itself may stand among the dimensions; they are there in every metric.
        return sorted(name for name, _ in metric.dimensions) == wanted and terms(metric)

    return SearchTerms(namespace, matches)


class _Terms:
    """Recursive descent over the terms behind the schema."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text.rstrip()
        self._position = position
        self._depth = 0

    def read(self) -> Test:
        if self._at_end():
            return lambda _metric: True
        test = self._either()
        if not self._at_end():
            self._fail()
        return test

    def _at_end(self) -> bool:
        return self._position >= len(self._text)

    def _fail(self) -> NoReturn:
        rest = self._text[self._position :].strip()[:40]
        raise ExpressionError(f"the search {self._text!r} cannot be read at {rest!r}")

    def _peek(self) -> "re.Match[str] | None":
        return _TOKEN.match(self._text, self._position)

    def _take(self, *texts: str) -> bool:
        """Step over a sign or a word that is written like this."""
        found = self._peek()
        if found is None or found["property"] is not None or (found["sign"] or found["word"]) not in texts:
            return False
        self._position = found.end()
        return True

    def _either(self) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpressionError(f"the search is nested more than {_DEEPEST} levels deep")
        tests = [self._all()]
        while self._take("OR"):
            tests.append(self._all())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda metric: any(test(metric) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while not self._at_end():
            found = self._peek()
            if found is not None and (found["sign"] == ")" or found["word"] == "OR"):
                break
            self._take("AND")
            tests.append(self._one())
        return lambda metric: all(test(metric) for test in tests)

    def _one(self) -> Test:
        if self._take("NOT"):
            inner = self._one()
            return lambda metric: not inner(metric)
        if self._take("("):
            test = self._either()
            if not self._take(")"):
                self._fail()
            return test
        found = self._peek()
        if found is None or found["sign"]:
            self._fail()
        self._position = found.end()
        return _term(found["property"], found["phrase"], found["word"])


def _term(about: str | None, phrase: str | None, word: str | None) -> Test:
    if phrase is not None:
        wanted = phrase.lower()
        if about is not None:
            return lambda metric: any(text.lower() == wanted for text in _texts(metric, about))
        return lambda metric: any(wanted in text.lower() for text in _texts(metric, None))
    parts = {part.lower() for part in _WORD.findall(word or "")} or {(word or "").lower()}
    return lambda metric: any(parts <= _words(text) for text in _texts(metric, about))


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} | {text.lower()}


def _texts(metric: Metric, about: str | None) -> Iterable[str]:
    if about in (None, "MetricName"):
        yield metric.name
    if about in (None, "Namespace"):
        yield metric.namespace
    for name, value in metric.dimensions:
        if about is None:
            yield name
        if about in (None, name):
            yield value
