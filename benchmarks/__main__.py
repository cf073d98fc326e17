"""``python -m benchmarks [CASE ...]``: run the cases and print one Markdown table."""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import (
    control,
    endpoints,
    input_modes,
    invoke,
    lists,
    s3,
    scripts,
    side_by_side,
    startup,
    training,
    walk,
)
from benchmarks.report import store, table

CASES = {
    "startup": startup.run,
    "training": training.run,
    "scripts": scripts.run,
    "endpoints": endpoints.run,
    "walk": walk.run,
    "control": control.run,
    "lists": lists.run,
    "invoke": invoke.run,
    "s3": s3.run,
    "side-by-side": side_by_side.run,
    "input-modes": input_modes.run,
}
NAMED = frozenset({"input-modes", "scripts"})
"""Run only when they are named: `make bench-data` runs the first, the second builds an environment of a gigabyte."""


def main() -> None:
    # A user's Python keeps what it has compiled, whatever this shell says.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "cases",
        nargs="*",
        metavar="CASE",
        help=f"of {', '.join(CASES)} (default: all but {', '.join(NAMED)})",
    )
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the samples too")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - CASES.keys()
    if unknown:
        parser.error(f"no case is called {', '.join(unknown)}; there are: {', '.join(CASES)}")
    readings = []
    for name in arguments.cases or [name for name in CASES if name not in NAMED]:
        for reading in CASES[name](arguments.rounds):
            print(reading.row(), file=sys.stderr)
            readings.append(reading)
    print(table(readings))
    if arguments.json:
        store(arguments.json, readings)


if __name__ == "__main__":
    main()
