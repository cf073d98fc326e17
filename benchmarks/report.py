"""What was measured, as a table to read and as data to keep."""

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("wildsage", "botocore", "uvicorn", "uvloop", "numpy")


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: what was measured, its samples, and what it is measured against.

    Attributes
    ----------
    target
        What the median, or where there is a peer their ratio, should be; empty for information only.
    peer
        The samples of what it is compared with, from the same run.
    """

    what: str
    samples: tuple[float, ...]
    unit: str = "s"
    target: str = ""
    peer: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def row(self) -> str:
        peer = f"{shown(statistics.median(self.peer))} {self.unit}" if self.peer else ""
        ratio = f"{self.median / statistics.median(self.peer):.2f}" if self.peer else ""
        cells = (
            self.what,
            f"{shown(self.median)} {self.unit}",
            f"{shown(min(self.samples))} to {shown(max(self.samples))}",
            str(len(self.samples)),
            peer,
            ratio,
            self.target,
        )
        return f"| {' | '.join(cells)} |"


def shown(value: float) -> str:
    """Round to three digits, and never fewer than the whole number has."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(readings: Iterable[Reading]) -> str:
    """Lay out a Markdown table."""
    head = ("| | median | min to max | runs | peer | ratio | target |", "|---|---|---|---|---|---|---|")
    return "\n".join([*head, *(reading.row() for reading in readings)])


def machine(packages: Iterable[str] = _PACKAGES) -> dict[str, Any]:
    """Describe where and on what the measurements were made. Nothing names the machine itself."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")), "?"
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "load at the end": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def rounded(samples: Iterable[float]) -> list[float]:
    """Keep four digits of each."""
    return [float(f"{sample:.4g}") for sample in samples]


def store(path: Path, readings: Iterable[Reading], versions: Mapping[str, object] | None = None) -> None:
    """Write the readings with the machine they come from, a reading per line; more versions where given."""
    described = machine()
    described["versions"] |= versions or {}
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(one), "samples": rounded(one.samples), "peer": rounded(one.peer)} for one in readings]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f'{{"machine": {json.dumps(described)},\n"readings": [\n{lines}\n]}}\n')
