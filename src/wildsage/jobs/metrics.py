"""Metrics of a job, found in its log lines by the regular expressions of its MetricDefinitions."""

import re
from collections.abc import Iterable, Mapping, Sequence

from wildsage.formats.logframes import Frame
from wildsage.store.logs import MetricPoint, Scrape

_LONGEST_LINE = 16_384  # a regular expression of a user must not meet a line of any length


def scraper(definitions: Sequence[Mapping[str, str]]) -> Scrape:
    """Make the function that finds the values in a log frame.

    Parameters
    ----------
    definitions
        ``MetricDefinitions`` of the job. The first group of each ``Regex`` is the value. Lines are tried as
        they are and with tabs as ``#011``, which is how CloudWatch shows them and what AWS's own
        definitions expect.
    """
    compiled = [(item["Name"], re.compile(item["Regex"])) for item in definitions]

    def scrape(frame: Frame) -> Iterable[MetricPoint]:
        line = frame.message[:_LONGEST_LINE]
        escaped = line.replace("\t", "#011")
        for name, pattern in compiled:
            found = pattern.search(line) or (pattern.search(escaped) if escaped != line else None)
            value = _number(found)
            if value is not None:
                yield MetricPoint(name, frame.timestamp_ms / 1000, value)

    return scrape


def _number(found: "re.Match[str] | None") -> float | None:
    if found is None or not found.groups():
        return None
    try:
        return float(found[1])
    except (TypeError, ValueError):
        return None
