"""Filter patterns: terms of unstructured text, conditions on JSON, conditions on space-delimited fields.

Source: "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail"
(Amazon CloudWatch Logs User Guide).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.services.logs.conditions import (
    Dialect,
    Lookup,
    PatternError,
    Test,
    compile_regex,
    read_condition,
)

Fields = Mapping[str, str]
"""What a pattern names in a message it matches: selectors of JSON, or names of columns."""

_TERM = re.compile(
    r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<word>\w+))(?=\s|$)'
)
_SELECTOR = re.compile(r'\$(?:\.[A-Za-z_][\w-]*|\["[^"]*"\]|\[\d+\]|\[\*\])*')
_STEP = re.compile(r'\.(?P<name>[A-Za-z_][\w-]*)|\["(?P<quoted>[^"]*)"\]|\[(?P<index>\d+|\*)\]')
_COLUMN = re.compile(r"[A-Za-z_]\w*")
_FIELD = re.compile(r'"(?P<quoted>[^"]*)"|\[(?P<bracketed>[^\]]*)\]|(?P<bare>\S+)')
_ELLIPSIS = "..."

JSON_DIALECT = Dialect(_SELECTOR, text_is_number=False)
COLUMNS_DIALECT = Dialect(_COLUMN, text_is_number=True)


class FilterPattern(ABC):
    """What a message must hold."""

    @staticmethod
    def parse(text: str) -> "FilterPattern":
        """Read a pattern; the empty one lets everything through.

        Raises
        ------
        PatternError
            If it is none.
        """
        text = text.strip()
        if text.startswith("{"):
            return JsonPattern.read(text)
        if text.startswith("["):
            return ColumnsPattern.read(text)
        return TermsPattern.read(text)

    @abstractmethod
    def matches(self, message: str) -> bool:
        """Tell whether a message matches."""

    @abstractmethod
    def extract(self, message: str, name: str) -> str | None:
        """Return the value that ``$.selector`` or ``$column`` has in a message; None where it has none."""


Find = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class TermsPattern(FilterPattern):
    """Terms and phrases.

    Attributes
    ----------
    required, excluded
        All of the one and none of the other.
    alternatives
        At least one of them; without effect beside the other two, as the guide says.
    """

    required: tuple[Find, ...]
    excluded: tuple[Find, ...]
    alternatives: tuple[Find, ...]

    @classmethod
    def read(cls, text: str) -> "TermsPattern":
        """Read a pattern. Raises `PatternError`."""
        terms: dict[str, list[Find]] = {"": [], "-": [], "?": []}
        position = 0
        while position < len(text):
            found = _TERM.match(text, position)
            if found is None:
                raise PatternError(
                    f"Invalid filter pattern at {text[position:].strip()[:40]!r}:"
                    " put terms with other characters than letters, digits and _ between double quotes"
                )
            terms[found["sign"]].append(_finder(found))
            position = found.end()
        return cls(tuple(terms[""]), tuple(terms["-"]), tuple(terms["?"]))

    def matches(self, message: str) -> bool:
        """Tell whether a message matches."""
        if not (self.required or self.excluded):
            return not self.alternatives or any(find(message) for find in self.alternatives)
        return all(find(message) for find in self.required) and not any(
            find(message) for find in self.excluded
        )

    def extract(self, message: str, name: str) -> str | None:  # noqa: ARG002 - text has no names
        """Text names nothing."""
        return None


def _finder(found: "re.Match[str]") -> Find:
    if found["regex"] is not None:
        return compile_regex(found["regex"])
    phrase = found["phrase"]
    term = found["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
    return lambda message: term in message


@dataclass(frozen=True, slots=True)
class JsonPattern(FilterPattern):
    """Conditions on the properties of a message that is a JSON object."""

    condition: Test

    @classmethod
    def read(cls, text: str) -> "JsonPattern":
        """Read a pattern. Raises `PatternError`."""
        if not text.endswith("}"):
            raise PatternError(f"Invalid filter pattern: {text[:40]!r} has no closing brace")
        return cls(read_condition(text[1:-1], JSON_DIALECT))

    def matches(self, message: str) -> bool:
        """Tell whether a message matches."""
        document = _document(message)
        return document is not None and self.condition(_selected(document))

    def extract(self, message: str, name: str) -> str | None:
        """Return the value of a selector."""
        document = _document(message)
        values = [] if document is None else select(document, name)
        if not values or isinstance(values[0], (dict, list)) or values[0] is None:
            return None
        return values[0] if isinstance(values[0], str) else json.dumps(values[0])


def _document(message: str) -> dict[str, Any] | None:
    if not message.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _selected(document: dict[str, Any]) -> Lookup:
    return lambda selector: select(document, selector)


def select(document: Any, selector: str) -> Sequence[Any]:
    """Return the values at a selector such as ``$.a.b[0]``; ``[*]`` means every element."""
    values = [document]
    for step in _STEP.finditer(selector):
        name = step["name"] if step["quoted"] is None else step["quoted"]
        values = [inner for value in values for inner in _inside(value, name, step["index"])]
    return values


def _inside(value: Any, name: str | None, index: str | None) -> list[Any]:
    if name is not None:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if index == "*":
        return value
    return value[int(index or 0) :][:1]


@dataclass(frozen=True, slots=True)
class ColumnsPattern(FilterPattern):
    """Conditions on the fields of a message, which blanks separate.

    Attributes
    ----------
    before, after
        Names of the fields; between the two may stand any others where `is_open`.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    is_open: bool
    conditions: tuple[Test, ...]

    @classmethod
    def read(cls, text: str) -> "ColumnsPattern":
        """Read a pattern. Raises `PatternError`."""
        if not text.endswith("]"):
            raise PatternError(f"Invalid filter pattern: {text[:40]!r} has no closing bracket")
        parts = [part.strip() for part in _split(text[1:-1])]
        if parts.count(_ELLIPSIS) > 1:
            raise PatternError("Invalid filter pattern: ... may stand once between brackets")
        names, conditions = [], []
        for part in parts:
            found = _COLUMN.search(part)
            if part != _ELLIPSIS and found is None:
                raise PatternError(f"Invalid filter pattern: {part[:40]!r} names no field")
            names.append(_ELLIPSIS if found is None or part == _ELLIPSIS else found[0])
            if found is not None and part != found[0] and part != _ELLIPSIS:
                conditions.append(read_condition(part, COLUMNS_DIALECT))
        is_open = _ELLIPSIS in names
        at = names.index(_ELLIPSIS) if is_open else len(names)
        return cls(tuple(names[:at]), tuple(names[at + 1 :]), is_open, tuple(conditions))

    def matches(self, message: str) -> bool:
        """Tell whether a message matches."""
        fields = self._fields(message)
        if fields is None:
            return False
        return all(condition(lambda name: _named(fields, name)) for condition in self.conditions)

    def extract(self, message: str, name: str) -> str | None:
        """Return the field of a name, which is written with a ``$`` before it."""
        return (self._fields(message) or {}).get(name.removeprefix("$"))

    def _fields(self, message: str) -> Fields | None:
        values = [found[found.lastgroup or 0] for found in _FIELD.finditer(message)]
        least = len(self.before) + len(self.after)
        if len(values) < least or (len(values) > least and not self.is_open):
            return None
        tail = values[len(values) - len(self.after) :]
        return {**dict(zip(self.before, values, strict=False)), **dict(zip(self.after, tail, strict=True))}


def _named(fields: Fields, name: str) -> Sequence[str]:
    return [fields[name]] if name in fields else []


def _split(text: str) -> list[str]:
    """Split at the commas that stand in no quotes."""
    return re.findall(r'(?:[^,"%]|"(?:[^"\\]|\\.)*"|%[^%]*%)+', text)
