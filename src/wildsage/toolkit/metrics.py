"""The log lines that carry numbers. The platform finds metrics by their regular expressions."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from wildsage.toolkit.logs import LOGGER

Direction = Literal["loss", "score"]

PROGRESS_PATTERN = r"#progress_metric: host=\S+, completed (\S+) %"
THROUGHPUT_PATTERN = r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"


@dataclass(slots=True)
class MetricLog:
    """Writes the lines of one host.

    Attributes
    ----------
    algorithm
        As ``#metrics`` lines call it, e.g. ``AWS/KMeansWebscale``.
    last
        The last value of each quality by its name as a metric: ``test:msd``.
    """

    host: str
    algorithm: str
    last: dict[str, float] = field(default_factory=dict)
    _times: dict[str, list[float]] = field(default_factory=dict)

    def quality(
        self,
        phase: str,
        name: str,
        value: float,
        direction: Direction = "loss",
        *,
        metric: str | None = None,
        **at: int,
    ) -> None:
        """Report a loss (lower is better) or a score, of the whole run or of ``epoch=``, ``batch=``.

        Parameters
        ----------
        metric
            What the line's name is called as a metric; None: the same.
        """
        self.last[f"{phase}:{metric or name}"] = value
        where = "".join(f" {key}={number}," for key, number in at.items())
        if "batch" in at:
            where = where.removesuffix(",")
        LOGGER.info(
            "#quality_metric: host=%s,%s %s %s <%s>=%s", self.host, where, phase, name, direction, value
        )

    def score(self, phase: str, name: str, value: float) -> None:
        """Report a final number in the older form that many notebooks search for."""
        LOGGER.info("#%s_score (%s) : ('%s', %s)", phase, self.host, name, value)

    def progress(self, done: int, total: int) -> None:
        """Report the share of epochs that are complete."""
        LOGGER.info("#progress_metric: host=%s, completed %.1f %% of epochs", self.host, 100 * done / total)

    def throughput(self, records: int, seconds: float) -> None:
        """Report how fast an epoch went."""
        rate = records / max(seconds, 1e-9)
        LOGGER.info("#throughput_metric: host=%s, train throughput=%s records/second", self.host, rate)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a phase; `write` reports it in milliseconds under ``name``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._times.setdefault(name, []).append(1000 * (time.perf_counter() - began))

    def end(self, started: float, epochs: int) -> None:
        """Write the ``#metrics`` line of the whole training: the phases that are left, ``epochs`` and ``totaltime``."""
        self.write(started, {"epochs": epochs, "totaltime": 1000 * (time.time() - started)})

    def write(self, started: float, counts: dict[str, float] | None = None, **dimensions: Any) -> None:
        """Write a ``#metrics`` line with the phases measured since the last one, and some counts."""
        phases = {
            name: {"sum": sum(values), "count": len(values), "min": min(values), "max": max(values)}
            for name, values in self._times.items()
        }
        self._times.clear()
        numbers = {
            name: {"sum": value, "count": 1, "min": value, "max": value}
            for name, value in (counts or {}).items()
        }
        line = {
            "StartTime": started,
            "EndTime": time.time(),
            "Dimensions": {
                "Algorithm": self.algorithm,
                "Host": self.host,
                "Operation": "training",
                **dimensions,
            },
            "Metrics": phases | numbers,
        }
        LOGGER.info("#metrics %s", json.dumps(line))
