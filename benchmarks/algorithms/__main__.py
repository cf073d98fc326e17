"""``python -m benchmarks.algorithms [ALGORITHM ...]``: quality and speed beside the peers, as one Markdown table.

The module here that has an algorithm's name compares it: ``compare(seeds: int) -> Iterator[Comparison | Missing]``.
It is imported when it is run, so that a peer that is not installed leaves the others be: then the table says so, and
the exit code is 1. Both sides run in this process, on the same cores; where time is measured, their rounds alternate.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import benchmarks.algorithms
import wildsage.algorithms
from benchmarks.algorithms.comparison import Comparison, Missing, table
from benchmarks.report import machine

Row = Comparison | Missing

_PACKAGES = (
    *("wildsage", "numpy", "scipy", "numba", "scikit-learn", "faiss-cpu", "krcf", "rrcf"),
    *("myfm", "torch", "xlearn", "vowpalwabbit", "xgboost-cpu"),
)
_RESULTS = Path(__file__).parent.parent / "results"


def algorithms() -> tuple[str, ...]:
    """Name the algorithms that are compared."""
    packages = {found.name for found in pkgutil.iter_modules(wildsage.algorithms.__path__) if found.ispkg}
    modules = (found.name for found in pkgutil.iter_modules(benchmarks.algorithms.__path__))
    return tuple(name for name in modules if name in packages)


def compared(name: str, seeds: int) -> Iterator[Row]:
    """Run an algorithm's comparisons up to the first whose peer, or data, is not installed."""
    try:
        module = importlib.import_module(f"benchmarks.algorithms.{name}")
        yield from module.compare(seeds)
    except ImportError as error:
        yield Missing(name, str(error))


def run(name: str, seeds: int) -> dict[str, Any]:
    """Compare an algorithm, and tell of each row; returns what `store` keeps."""
    began = time.perf_counter()
    rows = []
    for row in compared(name, seeds):
        print(f"{time.perf_counter() - began:5.0f} s {row.row()}", file=sys.stderr, flush=True)
        rows.append(row)
    seconds = round(time.perf_counter() - began)
    print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
    return {"machine": machine(_PACKAGES), "seeds": seeds, "seconds": seconds, "rows": rows}


def store(path: Path, name: str, one: Mapping[str, Any]) -> None:
    """Write an algorithm's samples, with the machine and versions they come from; those of others stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[name] = {**one, "rows": [row.described() for row in one["rows"]]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(_lines(name, kept[name]) for name in sorted(kept)) + "\n}\n")


def _lines(name: str, one: Mapping[str, Any]) -> str:
    """Lay out an algorithm's part: a row per line."""
    head = json.dumps({key: value for key, value in one.items() if key != "rows"}, ensure_ascii=False)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in one["rows"])
    return f'"{name}": {head[:-1]}, "rows": [\n{rows}\n]}}'


def main() -> None:
    os.environ.setdefault("TQDM_DISABLE", "1")  # a bar for each sample of myFM
    found = algorithms()
    default = _RESULTS / f"{time.strftime('%Y-%m-%d')}-algorithms.json"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.algorithms", description=__doc__)
    parser.add_argument(
        "algorithms", nargs="*", metavar="ALGORITHM", help=f"of {', '.join(found)} (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each (default: %(default)s)")
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=default,
        metavar="FILE",
        help=f"keep the samples, beside those that the file has of other algorithms (default file: {default.name})",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.algorithms) - set(found):
        parser.error(f"nothing compares {', '.join(unknown)}; there are: {', '.join(found)}")
    rows: list[Row] = []
    for name in arguments.algorithms or found:
        one = run(name, arguments.seeds)
        rows += one["rows"]
        if arguments.json:
            store(arguments.json, name, one)
    print(table(rows))
    sys.exit(any(isinstance(row, Missing) and not row.optional for row in rows))


if __name__ == "__main__":
    main()
