"""``python -m benchmarks.tuning.peers PEER``: what Optuna finds, written to ``peers.json`` beside this file.

By sampler and problem there is a list of values for each seed, from 0.

It runs in the environment of the peers, which has Optuna and torch beside Wildsage; `make bench-tuning` reads the file.
"""

import argparse
import json
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import optuna

from benchmarks.tuning.learning import TRAININGS
from benchmarks.tuning.problems import PROBLEMS, Objective
from wildsage.search.ranges import CategoricalRange, IntegerRange, Range
from wildsage.search.scales import LOGARITHMIC, choose

FILE = Path(__file__).parent / "peers.json"
SAMPLERS = {"GPSampler": optuna.samplers.GPSampler, "TPESampler": optuna.samplers.TPESampler}


def run(objective: Objective, sampler: str, seed: int) -> list[float]:
    """Search with a sampler at its defaults; the values in order."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed=seed))
    study.optimize(
        lambda trial: objective.value({one.name: suggested(trial, one) for one in objective.space.ranges}),
        n_trials=objective.trials,
    )
    return [float(f"{trial.value:.6g}") for trial in study.trials if trial.value is not None]


def suggested(trial: optuna.Trial, one: Range) -> str:
    """Let Optuna choose from a range."""
    if isinstance(one, CategoricalRange):
        return str(trial.suggest_categorical(one.name, one.choices))
    logarithmic = choose(one.scale, one.low, one.high) is LOGARITHMIC
    if isinstance(one, IntegerRange):
        return str(trial.suggest_int(one.name, one.low, one.high, log=logarithmic))
    return repr(trial.suggest_float(one.name, one.low, one.high, log=logarithmic))


def keep(sampler: str, name: str, runs: list[list[float]]) -> None:
    """Write the values of a problem into the file."""
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    entry = kept.setdefault(sampler, {})
    packages = {name: version(name) for name in ("optuna", "torch", "numpy", "scipy", "xgboost-cpu")}
    entry["versions"] = {"python": platform.python_version(), **packages}
    entry[name] = runs
    FILE.write_text(json.dumps(kept, separators=(",", ":"), sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning.peers", description=__doc__)
    parser.add_argument("peer", choices=SAMPLERS)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each problem (default: %(default)s)")
    parser.add_argument("--problems", nargs="*", help="only these")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for problem in (*PROBLEMS, *TRAININGS):
            if not arguments.problems or problem.name in arguments.problems:
                runs = pool.map(partial(run, problem, arguments.peer), range(arguments.seeds))
                keep(arguments.peer, problem.name, list(runs))


if __name__ == "__main__":
    main()
