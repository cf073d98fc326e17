"""Metrics of a job, found in its log lines by the regular expressions of its MetricDefinitions."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from wildsage.formats.logframes import Frame
from wildsage.store.database import Transaction
from wildsage.store.distributions import Distribution
from wildsage.store.logs import Keep, MetricPoint, Scrape
from wildsage.store.metrics import Metric, MetricStore, Sample
from wildsage.store.resources import Key

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_LONGEST_LINE = 16_384
_LONGEST_SEARCH_SECONDS = 0.1  # an expression that explodes must not hold up everybody's log

_log = logging.getLogger(__name__)


class InvalidExpressionError(ValueError):
    """A ``Regex`` is not a regular expression."""


def compile_expression(text: str) -> Any:
    """Compile the ``Regex`` of a metric definition.

    Raises
    ------
    InvalidExpressionError
        If it is none.
    """
    regex = import_module("regex")  # 20 ms that a start need not wait for
    try:
        return regex.compile(text)
    except regex.error as error:
        raise InvalidExpressionError(f"{text!r}: {error}") from None


def scraper(definitions: Sequence[Mapping[str, str]]) -> Scrape:
    """Make the function that finds the values in a log frame.

    Parameters
    ----------
    definitions
        ``MetricDefinitions`` of the job. The first group of each ``Regex`` is the value. Lines are tried as
        they are and with tabs as ``#011``, which is how CloudWatch shows them and what AWS's own
        definitions expect. A definition that takes too long on a line is given up, and the log says so.
    """
    compiled = {item["Name"]: compile_expression(item["Regex"]) for item in definitions}

    def scrape(frame: Frame) -> Iterable[MetricPoint]:
        line = frame.message[:_LONGEST_LINE]
        lines = (line, line.replace("\t", "#011")) if "\t" in line else (line,)
        for name, pattern in list(compiled.items()):
            try:
                value = _value(pattern, lines)
            except TimeoutError:
                _log.warning("the Regex of metric %s takes too long on a log line: it is given up", name)
                del compiled[name]
                continue
            if value is not None:
                yield MetricPoint(name, frame.timestamp_ms / 1000, value)

    return scrape


def publisher(job: Key, at: float) -> Keep:
    """Make the function that shows what was scraped in CloudWatch, as AWS does: by the name of the job.

    Parameters
    ----------
    at
        This moment.
    """

    def keep(transaction: Transaction, points: Sequence[MetricPoint]) -> None:
        samples = [
            Sample(
                Metric(job.account, job.region, NAMESPACE, point.name, (("TrainingJobName", job.name),)),
                point.at,
                Distribution.of([point.value]),
                resolution=1,
            )
            for point in points
            if math.isfinite(point.value)
        ]
        MetricStore.record(transaction, samples, at)

    return keep


def _value(pattern: Any, lines: Iterable[str]) -> float | None:
    """Return the number that the first group of the first match holds."""
    for line in lines:
        found = pattern.search(line, timeout=_LONGEST_SEARCH_SECONDS)
        if found is not None and found.groups():
            try:
                return float(found[1])
            except (TypeError, ValueError):
                return None
    return None
