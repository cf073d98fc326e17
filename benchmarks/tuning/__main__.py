"""``python -m benchmarks.tuning [regret learning time epochs trials]``: the search beside Optuna's samplers, and tuning jobs.

Their histories come from ``peers.json`` (`make bench-tuning-peers` writes it). A score is the geometric mean over the
problems of the median regret plus a thousandth of the function's range, so that no problem decides alone. The range is
once that of the whole space and once, which is stricter, what a random point lacks at the median. Real training is scored by
the area under the best so far (`areas`), which is paired with the peer's, seed by seed.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.report import Reading, machine, table
from benchmarks.tuning import epochs, trials
from benchmarks.tuning.areas import Interval, areas
from benchmarks.tuning.learning import TRAININGS
from benchmarks.tuning.problems import PROBLEMS, Objective, Problem
from benchmarks.tuning.searches import Run, mixed, seconds_to_suggest

PEERS = Path(__file__).parent / "peers.json"
OURS, PARALLEL, RANDOM, GRID = "Wildsage", "Wildsage, 4 at once", "Wildsage, Random", "Wildsage, Grid"
COLUMNS = (OURS, PARALLEL, "GPSampler", "TPESampler", RANDOM)
LEARNING = (OURS, "GPSampler", "TPESampler", RANDOM, GRID)
OWN = {OURS: ("Bayesian", 1), PARALLEL: ("Bayesian", 4), RANDOM: ("Random", 1), GRID: ("Grid", 1)}
"""Strategy, and trials at once, of our own columns."""

TARGETS = (("GPSampler", 1.1), ("TPESampler", 0.5))

FEWER = 12
"""Seeds, at most, of what is trained for real."""

Histories = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""By column and problem: the values of each seed."""


def own_histories(
    objectives: Sequence[Objective], columns: Sequence[str], seeds: int
) -> dict[str, dict[str, list[list[float]]]]:
    """Carry out our own searches on all cores."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for column in (one for one in columns if one in OWN):
            name, parallel = OWN[column]
            found[column] = {}
            for objective in objectives:
                runs = [pool.submit(Run(objective, name, seed, parallel)) for seed in range(seeds)]
                found[column][objective.name] = [run.result() for run in runs]
                least = statistics.median(min(values) for values in found[column][objective.name])
                print(f"{column}, {objective.name}: {least:.5g}", file=sys.stderr)
    return found


def medians(problem: Problem, histories: Sequence[Sequence[float]]) -> float:
    """The median regret."""
    return statistics.median(problem.regret(list(values)) for values in histories)


def regret_table(histories: Histories) -> Iterator[str]:
    """A row for each problem, and both scores."""
    yield f"| median regret | {' | '.join(COLUMNS)} |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for problem in PROBLEMS:
        cells = [f"{medians(problem, histories[column][problem.name]):.3g}" for column in COLUMNS]
        yield f"| {problem.name}, {problem.trials} trials | {' | '.join(cells)} |"
    for name, ranges in ranges_of().items():
        scored = scores(histories, ranges)
        yield f"| score, {name} | {' | '.join(f'{scored[column]:.3g}' for column in COLUMNS)} |"


def ranges_of() -> dict[str, dict[str, float]]:
    """Both meanings of a function's range, by name and problem."""
    drawn = {problem.name: problem.values() - problem.least for problem in PROBLEMS}
    return {
        "range of the space": {name: float(values.max()) for name, values in drawn.items()},
        "range to the median point": {name: float(np.median(values)) for name, values in drawn.items()},
    }


def scores(histories: Histories, ranges: Mapping[str, float]) -> dict[str, float]:
    """The geometric means, by column."""
    return {
        column: statistics.geometric_mean(
            medians(problem, histories[column][problem.name]) + 1e-3 * ranges[problem.name]
            for problem in PROBLEMS
        )
        for column in COLUMNS
    }


def verdicts(histories: Histories) -> Iterator[str]:
    """The ratios that are aimed at."""
    yield "| ratio of scores | range of the space | range to the median point | target |"
    yield "|---|---|---|---|"
    scored = [scores(histories, ranges) for ranges in ranges_of().values()]
    pairs = [(OURS, peer, most) for peer, most in TARGETS] + [(PARALLEL, OURS, 1.25)]
    for own, peer, most in pairs:
        ratios = [one[own] / one[peer] for one in scored]
        marks = [f"{ratio:.2f} {'✓' if ratio <= most else '✗'}" for ratio in ratios]
        yield f"| {own} over {peer} | {marks[0]} | {marks[1]} | ≤ {most} |"


def regret(seeds: int) -> dict[str, object]:
    """Print the tables of regret."""
    peers = json.loads(PEERS.read_text())
    histories = own_histories(PROBLEMS, COLUMNS, seeds) | {name: peers[name] for name, _ in TARGETS}
    print("\n".join([*regret_table(histories), "", *verdicts(histories), ""]))
    return {
        column: {
            problem.name: [problem.regret(list(run)) for run in histories[column][problem.name]]
            for problem in PROBLEMS
        }
        for column in COLUMNS
    }


def learning(seeds: int) -> dict[str, object]:
    """Print the areas under the best so far of real training."""
    seeds = min(seeds, FEWER)
    peers = json.loads(PEERS.read_text())
    histories: dict[str, dict[str, list[list[float]]]] = own_histories(TRAININGS, LEARNING, seeds)
    for peer, _ in TARGETS:
        histories[peer] = {one.name: peers[peer][one.name][:seeds] for one in TRAININGS}
    print("\n".join(area_table(histories)) + "\n")
    return {
        column: {name: [[short(loss) for loss in run] for run in runs] for name, runs in by_training.items()}
        for column, by_training in histories.items()
    }


def area_table(histories: Histories) -> Iterator[str]:
    """A row for each training, and one for their mean; how much more it is than a peer's, seed by seed."""
    peers = [name for name, _ in reversed(TARGETS)]
    yield f"| area under the best so far | {' | '.join([*LEARNING, *(f'over {name}' for name in peers)])} |"
    yield "|---" * (1 + len(LEARNING) + len(peers)) + "|"
    found = {
        one.name: areas({column: histories[column][one.name] for column in LEARNING}, RANDOM)
        for one in TRAININGS
    }
    found["mean"] = {
        column: np.mean([by_column[column] for by_column in found.values()], axis=0) for column in LEARNING
    }
    for name, by_column in found.items():
        over = [Interval.of(by_column[OURS] - by_column[peer]) for peer in peers]
        marks = [f"{one} {'✓' if one.high >= 0 else '✗'}" for one in over]
        means = [f"{by_column[column].mean():.3f}" for column in LEARNING]
        yield f"| {name} | {' | '.join([*means, *marks])} |"


def short(loss: float) -> float:
    """Round to what a curve shows."""
    return float(f"{loss:.5g}")


def times(_: int) -> dict[str, object]:
    """Print how long the next point takes."""
    readings = [
        Reading(
            f"next point, {len(space)} ranges, {count} finished, {running} running",
            tuple(seconds_to_suggest(space, count, running, rounds)),
            target="< 0.2 s" if count == 100 else "",
        )
        for space, count, running, rounds in (
            (mixed(6), 100, 0, 10),
            (mixed(6), 100, 9, 10),
            (mixed(20), 100, 9, 10),
            (mixed(6), 750, 9, 3),
        )
    ]
    print(table(readings) + "\n")
    return {reading.what: reading.samples for reading in readings}


def hyperband(seeds: int) -> dict[str, object]:
    """Print the epochs of Hyperband."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        curves = list(pool.map(epochs.curves, range(min(seeds, FEWER))))
    what = f"Hyperband's epochs to the best of {epochs.RANDOM_TRIALS} random trials, as a part of theirs"
    shares = tuple(epochs.share(one) for one in curves)
    print(table([Reading(what, shares, unit="", target="≤ 1/3")]) + "\n")
    return {
        what: shares,
        "curves": {
            name: [[(spent, short(loss)) for spent, loss in one[name]] for one in curves]
            for name in curves[0]
        },
    }


def on_a_server(_: int) -> dict[str, object]:
    """Print what trials cost on a real server."""
    measured = list(trials.readings())
    print(table(measured) + "\n")
    return {reading.what: reading.samples for reading in measured}


CASES = {"regret": regret, "learning": learning, "time": times, "epochs": hyperband, "trials": on_a_server}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--seeds", type=int, default=20, help="runs of each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the samples too")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - CASES.keys():
        parser.error(f"there is no case {', '.join(unknown)}; there are: {', '.join(CASES)}")
    samples = {case: CASES[case](arguments.seeds) for case in arguments.cases or CASES}
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "samples": samples}) + "\n")


if __name__ == "__main__":
    main()
