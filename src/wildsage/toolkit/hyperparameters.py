"""Hyperparameters as declarations: one declaration validates, documents and bounds the tuning of a name.

The values of a training job are texts. A declaration turns one into a number, a list, … or says what it expects.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wildsage.toolkit.errors import UserError

TUNING_OBJECTIVE: Final = "_tuning_objective_metric"
"""The name by which a tuning job tells its training jobs which metric it goes by."""

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

Scale = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]


class HyperparameterError(ValueError):
    """A value outside its declaration. The text is AWS's; `UserError` carries it to the user."""


@dataclass(frozen=True, slots=True)
class Tunable:
    """What a tuning job may search: a range of numbers, or choices.

    Attributes
    ----------
    low, high
        The recommended range; None for choices.
    scale
        How the range is searched.
    """

    low: float | None = None
    high: float | None = None
    scale: Scale = "Auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """One name. Subclasses say what its text may be.

    Attributes
    ----------
    library_default
        For the documentation: what a library does where the job gives no value and `default` is None.
    aliases
        Other names for the same thing; the value goes to `name`.
    default
        The value (not a text) where the job gives none; None: the name is absent then.
    hidden
        Sent by SDKs or known from old images, but not documented.
    automatic
        The text ``auto`` is allowed and stays that text: the algorithm chooses.
    words
        Other texts that are allowed and stay texts.
    """

    name: str
    description: str = ""
    required: bool = False
    default: Any = None
    library_default: str = ""
    aliases: tuple[str, ...] = ()
    hidden: bool = False
    automatic: bool = False
    words: tuple[str, ...] = ()
    tunable: Tunable | None = None

    def parse(self, text: str) -> Any:
        """Turn a text into the value.

        Raises
        ------
        HyperparameterError
            If the text is outside the declaration.
        """
        text = text.strip()
        if text.lower() in self._words:
            return text.lower()
        try:
            return self._value(text)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise HyperparameterError(
                f"The value '{text}' is not valid for the '{self.name}' hyperparameter which expects "
                f"{self.expectation}"
            ) from error

    def _value(self, text: str) -> Any:
        raise NotImplementedError

    @property
    def expectation(self) -> str:
        """The rule in words, as error texts and documentation give it."""
        if self._words:
            return f"one of the following: {_quoted(self._words)}; or {self._rule()}"
        return self._rule()

    @property
    def _words(self) -> tuple[str, ...]:
        return ("auto", *self.words) if self.automatic else self.words

    def _rule(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Hyperparameter):
    """A whole number within bounds (inclusive)."""

    low: int | None = None
    high: int | None = None

    def _value(self, text: str) -> int:
        # Clients that go through floating point send 10.0.
        number = float(text) if "." in text or "e" in text.lower() else int(text)
        if "_" in text or number != int(number):
            raise ValueError(text)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise ValueError(text)
        return int(number)

    def _rule(self) -> str:
        return "an integer" + _bounds(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuous(Hyperparameter):
    """A finite number within bounds.

    Attributes
    ----------
    low_open, high_open
        The bound itself is outside.
    """

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def _value(self, text: str) -> float:
        number = float(text)
        if "_" in text or not math.isfinite(number):
            raise ValueError(text)
        if self.low is not None and (number < self.low or (self.low_open and number == self.low)):
            raise ValueError(text)
        if self.high is not None and (number > self.high or (self.high_open and number == self.high)):
            raise ValueError(text)
        return number

    def _rule(self) -> str:
        return "a number" + _bounds(self.low, self.high, low_open=self.low_open, high_open=self.high_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical(Hyperparameter):
    """One of some texts."""

    choices: tuple[str, ...]

    def _value(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(text)
        return text

    def parse(self, text: str) -> Any:
        """Turn a text into the value; the error is AWS's for enumerations."""
        try:
            return self._value(text.strip())
        except ValueError as error:
            raise HyperparameterError(
                f"The value '{text}' is not valid for the '{self.name}' hyperparameter which accepts "
                f"one of the following: {_quoted(self.choices)}"
            ) from error

    def _rule(self) -> str:
        return f"one of the following: {_quoted(self.choices)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Hyperparameter):
    """True or false, in any of the spellings that SDKs send."""

    def _value(self, text: str) -> bool:
        return _BOOLEANS[text.lower()]

    def _rule(self) -> str:
        return "one of the following: 'true', 'false'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Hyperparameter):
    """Any text."""

    def _value(self, text: str) -> str:
        return text

    def _rule(self) -> str:
        return "a text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceList(Hyperparameter):
    """A list of distinct choices: JSON (``["msd", "ssd"]``), or separated by commas.

    Attributes
    ----------
    prefixes
        Choices that carry a parameter: ``error@`` allows ``error@0.7``.
    """

    choices: tuple[str, ...]
    prefixes: tuple[str, ...] = ()

    def _value(self, text: str) -> list[str]:
        items = json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",")]
        for item in items:
            if item not in self.choices and not self._parametrized(item):
                raise ValueError(item)
        if not items:
            raise ValueError(text)
        return list(dict.fromkeys(items))

    def _parametrized(self, item: Any) -> bool:
        for prefix in self.prefixes:
            if (
                isinstance(item, str)
                and item.startswith(prefix)
                and math.isfinite(float(item[len(prefix) :]))
            ):
                return True
        return False

    def _rule(self) -> str:
        allowed = (*self.choices, *(f"{prefix}<number>" for prefix in self.prefixes))
        return f"a list of the following: {_quoted(allowed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerTuple(Hyperparameter):
    """Whole numbers in parentheses or brackets: ``(0, 1, -1)``; nested lists where `nested`."""

    choices: tuple[int, ...] | None = None
    nested: bool = False

    def _value(self, text: str) -> Any:
        if text.startswith("(") and text.endswith(")"):
            text = "[" + text[1:-1].rstrip().removesuffix(",") + "]"
        items = json.loads(text)
        groups = items if self.nested else [items]
        if not isinstance(items, list) or not all(isinstance(group, list) for group in groups):
            raise ValueError(text)
        for number in (number for group in groups for number in group):
            if type(number) is not int or (self.choices is not None and number not in self.choices):
                raise ValueError(text)
        return items if self.nested else tuple(items)

    def _rule(self) -> str:
        if self.nested:
            return "lists of integers, such as [[0, 1], [2, 3]]"
        allowed = "integers" if self.choices is None else f"the integers {_quoted(self.choices)}"
        return f"a tuple of {allowed}, such as (1, 0)"


def validate(declared: Sequence[Hyperparameter], given: Mapping[str, str]) -> dict[str, Any]:
    """Turn the texts of a job into values, defaults filled in.

    Raises
    ------
    UserError
        For names that are unknown or given twice through an alias, names that are missing, and values outside
        their declaration: all the mistakes at once.
    """
    by_name = {name: item for item in declared for name in (item.name, *item.aliases)}
    unknown = [name for name in given if name not in by_name]
    problems: list[str] = []
    if unknown:
        verb = "was" if len(unknown) == 1 else "were"
        problems.append(f"Additional hyperparameters are not allowed ({_quoted(unknown)} {verb} unexpected)")
    values: dict[str, Any] = {}
    for name, text in given.items():
        item = by_name.get(name)
        if item is None:
            continue
        if item.name in values:
            problems.append(f"The hyperparameter '{item.name}' is given more than once (as '{name}', too)")
            continue
        try:
            values[item.name] = item.parse(text)
        except HyperparameterError as error:
            values[item.name] = None
            problems.append(str(error))
    missing = [item.name for item in declared if item.required and item.name not in values]
    if missing:
        problems.append(
            f"No value(s) were specified for {_quoted(missing)} which are required hyperparameter(s)"
        )
    if problems:
        raise UserError("Failed to validate hyperparameters. " + "; ".join(problems))
    defaults = {item.name: item.default for item in declared if item.default is not None}
    return defaults | values


def _bounds(low: float | None, high: float | None, *, low_open: bool = False, high_open: bool = False) -> str:
    parts = []
    if low is not None:
        parts.append(f"greater than {'' if low_open else 'or equal to '}{low}")
    if high is not None:
        parts.append(f"less than {'' if high_open else 'or equal to '}{high}")
    return " " + " and ".join(parts) if parts else ""


def _quoted(values: Sequence[object]) -> str:
    return ", ".join(f"'{value}'" for value in values)


HIDDEN: tuple[Hyperparameter, ...] = (
    Text(name="_kvstore", hidden=True, default="auto"),
    Text(name="_num_gpus", hidden=True, default="auto"),
    Text(name="_num_kv_servers", hidden=True, default="auto"),
    Categorical(
        name="_log_level", hidden=True, default="info", choices=("debug", "info", "warning", "error")
    ),
    Text(name=TUNING_OBJECTIVE, hidden=True, default=""),
    Boolean(name="_enable_profiler", hidden=True, default=False),
    Integer(name="_num_slices", hidden=True, default=1, low=1),
    Boolean(name="_disable_wait_to_read", hidden=True, default=False),
)
"""Known to every built-in algorithm of the first generation; SDKs and tuning jobs send some of them."""
