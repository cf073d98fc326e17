"""One row of the table: a measure of ours and of a peer, run by run, and their ratio."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from benchmarks.report import rounded, shown

_LEAST_SECONDS = 4.0
"""What two functions are measured for, unless they are so short that they have had `_MORE` times the rounds."""
_MORE = 5


@dataclass(frozen=True, slots=True)
class Target:
    """What the mean has to be against the peer's.

    Attributes
    ----------
    kind
        ``ratio``: ours divided by the peer's; ``difference``: ours less the peer's; ``value``: ours alone.
    least, most
        Bounds, of which one is given.
    """

    kind: Literal["ratio", "difference", "value"]
    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        sign, bound = ("≥", self.least) if self.least is not None else ("≤", self.most)
        unit = {"ratio": " ×", "difference": " more than the peer", "value": ""}[self.kind]
        return f"{sign} {bound:g}{unit}"

    def met(self, value: float) -> bool:
        """Whether a value lies within the bounds."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an algorithm reaches on some data, beside a peer at equal budget.

    Attributes
    ----------
    algorithm, data, measure
        What was measured: ``K-Means``, ``digits, k = 10``, ``msd``.
    ours, theirs
        A value for each seed or round, in pairs; a peer without seeds may have one value.
    peer
        Its name and settings.
    target
        None: for information.
    """

    algorithm: str
    data: str
    measure: str
    ours: tuple[float, ...]
    peer: str = ""
    theirs: tuple[float, ...] = ()
    target: Target | None = None

    def interval(self) -> tuple[float, float, float] | None:
        """Mean ratio of ours to theirs with its 95 % interval, from the logarithms of the pairs."""
        if not self.theirs or min(*self.ours, *self.theirs) <= 0:
            return None
        logs = np.log(np.array(self.ours) / np.broadcast_to(self.theirs, len(self.ours)))
        mean = float(logs.mean())
        half = 0.0
        if len(logs) > 1:
            half = float(stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)))
        return math.exp(mean), math.exp(mean - half), math.exp(mean + half)

    def reached(self) -> float:
        """The value that the target is about."""
        own = float(np.mean(self.ours))
        if self.target is None or self.target.kind == "value":
            return own
        if self.target.kind == "difference":
            return own - float(np.mean(self.theirs))
        found = self.interval()
        return found[0] if found else math.nan

    def row(self) -> str:
        """The row of the Markdown table."""
        found = self.interval()
        verdict = (
            "" if self.target is None else f"{self.target} {'✓' if self.target.met(self.reached()) else '✗'}"
        )
        cells = (
            self.algorithm,
            self.data,
            self.measure,
            shown(float(np.mean(self.ours))),
            self.peer,
            shown(float(np.mean(self.theirs))) if self.theirs else "",
            "" if found is None else f"{found[0]:.3f} ({found[1]:.3f} to {found[2]:.3f})",
            verdict,
        )
        return f"| {' | '.join(cells)} |"

    def described(self) -> dict[str, Any]:
        """What is kept of it as JSON."""
        target = str(self.target) if self.target else ""
        return {**asdict(self), "ours": rounded(self.ours), "theirs": rounded(self.theirs), "target": target}


@dataclass(frozen=True, slots=True)
class Missing:
    """A comparison that was not made.

    Attributes
    ----------
    reason
        What is not installed.
    optional
        It has to be compiled by its installation, which does not work everywhere.
    """

    algorithm: str
    reason: str
    optional: bool = False

    def row(self) -> str:
        """The row of the Markdown table."""
        return f"| {self.algorithm} | | not measured | | {self.reason} | | | {'' if self.optional else '✗'} |"

    def described(self) -> dict[str, Any]:
        """What is kept of it as JSON."""
        return asdict(self)


def table(comparisons: Iterable[Comparison | Missing]) -> str:
    """Lay out a Markdown table."""
    head = (
        "| algorithm | data | measure | Wildsage | peer | peer's | ratio (95 %) | target |",
        "|---|---|---|---|---|---|---|---|",
    )
    return "\n".join([*head, *(one.row() for one in comparisons)])


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure two functions in seconds, in turns, after a round of each that warms up.

    Short ones get more rounds than are asked for, so that the interval of their ratio is narrow. Who begins changes
    from round to round.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    sides = [*zip(seconds, (ours, theirs), strict=True)]
    for _, function in sides:
        function()
    began = time.perf_counter()
    while len(seconds[0]) < rounds or (
        len(seconds[0]) < _MORE * rounds and time.perf_counter() - began < _LEAST_SECONDS
    ):
        for samples, function in sides:
            started = time.perf_counter()
            function()
            samples.append(time.perf_counter() - started)
        sides.reverse()
    return tuple(seconds[0]), tuple(seconds[1])
