"""Numbers that a process keeps about itself: cheap to touch, collected when somebody asks.

Whoever does the work owns its instruments and touches them from one thread; `Instruments` only knows where they
are. How they are written down is not known here.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Labels = tuple[str, ...]
LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds in seconds: from a read out of memory to the longest invocation."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. `suffix` is what a histogram adds to the name of its family."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: tuple[Sample, ...]


class Instrument(Protocol):
    """What can be collected."""

    def collect(self) -> Family:
        """Return what it shows now."""
        ...


class Counter:
    """Counts by labels; only grows."""

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._values: dict[Labels, float] = {}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count."""
        self._values[labels] = self._values.get(labels, 0) + amount

    def collect(self) -> Family:
        """Return the counts. Safe beside the thread that counts."""
        samples = (
            Sample(value, dict(zip(self._labels, labels, strict=True)))
            for labels, value in dict(self._values).items()
        )
        return Family(self._name, "counter", self._text, tuple(samples))


class Histogram:
    """Counts observations by labels and size.

    Parameters
    ----------
    buckets
        Upper bounds, growing; what is larger than the last is counted all the same.
    """

    def __init__(
        self, name: str, text: str, labels: Labels = (), buckets: tuple[float, ...] = LATENCY_BUCKETS
    ) -> None:
        self._name, self._text, self._labels, self._buckets = name, text, labels, buckets
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Take in a value."""
        counts = self._counts.get(labels)
        if counts is None:
            self._sums[labels] = 0.0  # first: whoever collects finds a sum for each list of counts
            counts = self._counts[labels] = [0] * (len(self._buckets) + 1)
        counts[bisect_left(self._buckets, value)] += 1
        self._sums[labels] += value

    def keep(self, wanted: Callable[[Labels], bool]) -> None:
        """Forget the other labels: what they named is gone. In the thread that observes."""
        for labels in [labels for labels in self._counts if not wanted(labels)]:
            del self._counts[labels], self._sums[labels]

    def collect(self) -> Family:
        """Return the counts up to each bound, all of them, and the sum."""
        samples: list[Sample] = []
        for labels, counts in dict(self._counts).items():
            named = dict(zip(self._labels, labels, strict=True))
            total = 0
            for bound, count in zip((*map(str, self._buckets), "+Inf"), list(counts), strict=True):
                total += count
                samples.append(Sample(total, {**named, "le": bound}, "_bucket"))
            samples.append(Sample(self._sums.get(labels, 0.0), named, "_sum"))
            samples.append(Sample(total, named, "_count"))
        return Family(self._name, "histogram", self._text, tuple(samples))


def gauge(name: str, text: str, values: Mapping[Labels, float] | float, labels: Labels = ()) -> Family:
    """Return a family of what was just measured."""
    found = values if isinstance(values, Mapping) else {(): values}
    samples = (Sample(value, dict(zip(labels, key, strict=True))) for key, value in found.items())
    return Family(name, "gauge", text, tuple(samples))


def count(name: str, text: str, values: Mapping[Labels, float] | float, labels: Labels = ()) -> Family:
    """Return a family of what somebody else counts."""
    family = gauge(name, text, values, labels)
    return Family(family.name, "counter", family.text, family.samples)


Measure = Callable[[], Iterable[Family]]


class Instruments:
    """Every instrument of a process, in the order in which they were added."""

    def __init__(self) -> None:
        self._instruments: list[Instrument] = []
        self._measures: list[Measure] = []

    def counter(self, name: str, text: str, labels: Labels = ()) -> Counter:
        """Make and add a counter."""
        counter = Counter(name, text, labels)
        self._instruments.append(counter)
        return counter

    def histogram(self, name: str, text: str, labels: Labels = ()) -> Histogram:
        """Make and add a histogram of latencies."""
        histogram = Histogram(name, text, labels)
        self._instruments.append(histogram)
        return histogram

    def measured(self, measure: Measure) -> None:
        """Add what is measured only when it is asked for. Called in any thread; it may read files."""
        self._measures.append(measure)

    def collect(self) -> list[Family]:
        """Return everything."""
        families = [instrument.collect() for instrument in self._instruments]
        for measure in self._measures:
            families += measure()
        return families
