"""The grammar of metric math: from the text of an expression to a tree.

Source: "Using math expressions with CloudWatch metrics" (Amazon CloudWatch User Guide). From loose to tight:
OR, AND, comparisons, ``+ -``, ``* /``, ``^``, a sign.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

_DEEPEST = 40
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<name>[A-Za-z_]\w*)
  | "(?P<double>[^"]*)" | '(?P<single>[^']*)'
  | (?P<sign>\|\||&&|==|!=|<=|>=|[-+*/^()<>,\[\]])
    )""",
    re.VERBOSE | re.ASCII,
)
_LEVELS: Sequence[frozenset[str]] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "<=", ">=", "<", ">"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/"}),
)
_WORDS = {"OR": "||", "AND": "&&"}


class ExpressionError(ValueError):
    """An expression cannot be read or computed. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of another query, or a word such as ``REPEAT``."""

    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """``[a, b]``."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Application:
    """A function or an operator, and what it is applied to."""

    function: str
    arguments: "tuple[Node, ...]"


Node = Number | Text | Name | Listing | Application


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Node:
    """Read an expression.

    Raises
    ------
    ExpressionError
        If it is none.
    """
    return _Parser(text).read()


class _Parser:
    """Recursive descent over the tokens, for one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def _split(self) -> list[_Token]:
        tokens = []
        position = 0
        end = len(self._text.rstrip())
        while position < end:
            found = _TOKEN.match(self._text, position)
            if found is None:
                self._fail(position)
            kind = found.lastgroup or ""
            text = found[kind]
            if kind == "name" and text in _WORDS:
                kind, text = "sign", _WORDS[text]
            tokens.append(_Token(kind, text, found.start(found.lastindex or 0)))
            position = found.end()
        return [*tokens, _Token("end", "", len(self._text))]

    def _fail(self, position: int) -> NoReturn:
        rest = self._text[position:].strip()[:40]
        where = f"at {rest!r}" if rest else "at its end"
        raise ExpressionError(f"{self._text!r} cannot be read {where}")

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *signs: str) -> str | None:
        """Step over one of some signs, and return it."""
        token = self._next
        if token.kind != "sign" or token.text not in signs:
            return None
        self._at += 1
        return token.text

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            self._fail(self._next.position)

    def read(self) -> Node:
        node = self._level(0)
        if self._next.kind != "end":
            self._fail(self._next.position)
        return node

    def _nested(self, level: int) -> Node:
        """Read what stands inside of something else."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpressionError(f"the expression is nested more than {_DEEPEST} levels deep")
        node = self._level(level)
        self._depth -= 1
        return node

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._power()
        node = self._level(level + 1)
        while operator := self._take(*_LEVELS[level]):
            node = Application(operator, (node, self._level(level + 1)))
        return node

    def _power(self) -> Node:
        base = self._signed()
        return Application("^", (base, self._nested(len(_LEVELS)))) if self._take("^") else base

    def _signed(self) -> Node:
        if self._take("-"):
            return Application("-", (Number(0), self._nested(len(_LEVELS))))
        return self._primary()

    def _primary(self) -> Node:
        token = self._next
        self._at += 1
        node: Node
        match token.kind, token.text:
            case "number", text:
                node = Number(float(text))
            case (("double" | "single"), text):
                node = Text(text)
            case "name", text:
                node = Application(text, self._listed(")")) if self._take("(") else Name(text)
            case "sign", "(":
                node = self._nested(0)
                self._expect(")")
            case "sign", "[":
                node = Listing(self._listed("]"))
            case _:
                self._fail(token.position)
        return node

    def _listed(self, end: str) -> tuple[Node, ...]:
        """Read what stands between commas up to the closing sign."""
        items: list[Node] = []
        while not self._take(end):
            if items:
                self._expect(",")
            items.append(self._nested(0))
        return tuple(items)
