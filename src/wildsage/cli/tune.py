"""``wildsage tune NAME``: a tuning job while it runs, its trials and the best so far."""

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from wildsage.cli.arguments import add_name, add_region
from wildsage.cli.client import asking, client
from wildsage.cli.console import table

_POLL_SECONDS = 0.5
_OVER = ("Completed", "Failed", "Stopped")
_BARS = "▁▂▃▄▅▆▇█"
_COURSE = 40
"""Bars that the course of a search has at most."""

Members = Mapping[str, Any]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "tune",
        description="Show the trials of a tuning job until it is over: on a terminal as a table that is drawn anew,"
        " elsewhere a line for each that ends.",
    )
    add_name(parser, "tuning job")
    add_region(parser)
    parser.set_defaults(execute=execute)


@asking
def execute(arguments: argparse.Namespace) -> int:
    """Follow a tuning job. The exit code is 0 if it has completed."""
    sagemaker = client(arguments, "sagemaker")
    drawn = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    try:
        with Screen() if drawn else Lines() as show:
            for job, trials in _watched(sagemaker, arguments.name):
                show(job, trials)
    except KeyboardInterrupt:
        print(f"\nThe tuning job goes on; `wildsage stop {arguments.name}` ends it.")
        return 0
    return 0 if job["HyperParameterTuningJobStatus"] == "Completed" else 1


def _watched(sagemaker: Any, name: str) -> Iterator[tuple[Members, list[Members]]]:
    """Yield a tuning job and its trials again and again; the last time when it is over."""
    while True:
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        yield job, list(_trials(sagemaker, name))
        if job["HyperParameterTuningJobStatus"] in _OVER:
            return
        time.sleep(_POLL_SECONDS)


class Lines:
    """Prints a line for each trial that ended, and at the end what came of it."""

    def __init__(self) -> None:
        self._began = False
        self._known: set[str] = set()
        self._best: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to leave."""

    def __call__(self, job: Members, trials: Sequence[Members]) -> None:
        """Print what is new."""
        if not self._began:
            print(heading(job), flush=True)
            self._began = True
        ended = [one for one in trials if "TrainingEndTime" in one]
        for trial in sorted(ended, key=lambda one: one["TrainingEndTime"]):
            if trial["TrainingJobName"] not in self._known:
                self._known.add(trial["TrainingJobName"])
                print(self._line(job, trial), flush=True)
        if job["HyperParameterTuningJobStatus"] in _OVER:
            print("\n".join(summary(job)), flush=True)

    def _line(self, job: Members, trial: Members) -> str:
        value = objective(trial)
        mark = ""
        if value is not None and (self._best is None or is_better(job, value, self._best)):
            self._best, mark = value, "best so far"
        shown = "" if value is None else f"{value:g}"
        parts = (trial["TrainingJobName"], trial["TrainingJobStatus"], shown, point(trial), mark)
        return "  ".join(part for part in parts if part)


class Screen:
    """Draws the whole of it anew, as much as fits, on a screen of its own; the last picture stays when that is left."""

    def __init__(self) -> None:
        self._drawn = False
        self._last: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Turn back to the first screen, with what was on it before."""
        print("\033[?1049l" * self._drawn + "".join(f"{line}\n" for line in self._last), end="", flush=True)

    def __call__(self, job: Members, trials: Sequence[Members]) -> None:
        """Draw it; of a tuning job that was over at the first look only the last picture is printed."""
        size = shutil.get_terminal_size()
        # A full line leaves the cursor on its last letter, and erasing would take that.
        self._last = screen(job, trials, size.columns - 1, size.lines)
        if not self._drawn and job["HyperParameterTuningJobStatus"] in _OVER:
            return
        # What is left of the last picture is erased with each line and below, all in one piece: nothing flickers.
        start = "\033[H" if self._drawn else "\033[?1049h\033[H"
        print(start + "\033[K\r\n".join(self._last) + "\033[J", end="", flush=True)
        self._drawn = True


def screen(job: Members, trials: Sequence[Members], columns: int, lines: int) -> list[str]:
    """Return the lines of a screen: how far it is, what runs, then the best, as many as there is room for."""
    above = [*summary(job), *course(job, trials), ""]
    shown = [one for one in trials if "TrainingEndTime" not in one]
    shown += sorted((one for one in trials if "TrainingEndTime" in one), key=lambda one: _rank(job, one))
    room = max(lines - len(above) - 1, 1)
    if len(shown) > room:
        shown = shown[: max(room - 1, 1)]
    found = [*above, *_trial_table(job, shown, columns)] if shown else above
    if len(trials) > len(shown):
        found.append(f"… and {len(trials) - len(shown)} more")
    return [_cut(line, columns) for line in found[:lines]]


def course(job: Members, trials: Sequence[Members]) -> Iterator[str]:
    """Yield a line that shows how the best came about, once two trials have an objective."""
    best: list[float] = []
    for trial in sorted(
        (one for one in trials if "TrainingEndTime" in one), key=lambda one: one["TrainingEndTime"]
    ):
        value = objective(trial)
        if value is not None and math.isfinite(value):
            best.append(value if not best or is_better(job, value, best[-1]) else best[-1])
    if len(best) > 1:
        low, high = min(best), max(best)
        some = [best[round(index)] for index in _even(len(best), min(len(best), _COURSE))]
        bars = (_BARS[round((value - low) / ((high - low) or 1) * (len(_BARS) - 1))] for value in some)
        yield f"best so far {best[0]:g} {''.join(bars)} {best[-1]:g}"


def _even(count: int, wanted: int) -> Iterator[float]:
    """Yield positions among so many things that are evenly apart, the first and the last among them."""
    return (index * (count - 1) / (wanted - 1) for index in range(wanted))


def _trial_table(job: Members, trials: Sequence[Members], columns: int) -> list[str]:
    """Lay out trials, with a column for each hyperparameter; where that is too wide names lose what all begin with."""
    tuned = sorted({name for one in trials for name in one["TunedHyperParameters"]})
    rows = [
        [
            one["TrainingJobName"],
            one["TrainingJobStatus"],
            _shown(objective(one)),
            *(_short(one["TunedHyperParameters"].get(name, "-")) for name in tuned),
        ]
        for one in trials
    ]
    header = ("TRAINING JOB", "STATUS", "OBJECTIVE", *tuned)
    found = table(header, rows).split("\n")
    if max(map(len, found)) > columns:
        start = f"{job['HyperParameterTuningJobName']}-"
        rows = [[f"…{row[0].removeprefix(start)}", *row[1:]] for row in rows]
        found = table(header, rows).split("\n")
    return found


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else f"{line[: columns - 1]}…"


def heading(job: Members) -> str:
    """Say what is searched, and how."""
    config = job["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    number = limits.get("MaxNumberOfTrainingJobs")
    jobs = "training jobs" if number is None else f"up to {number} training jobs"
    return (
        f"{job['HyperParameterTuningJobName']}: {config['Strategy']} search, {_objective_name(job)},"
        f" {jobs}, {limits['MaxParallelTrainingJobs']} at once"
    )


def summary(job: Members) -> Iterator[str]:
    """Yield how far a tuning job is: its status and counts, and the best training job."""
    yield heading(job)
    counts = job["TrainingJobStatusCounters"]
    failed = counts["RetryableError"] + counts["NonRetryableError"]
    shown = {
        "completed": counts["Completed"],
        "running": counts["InProgress"],
        "stopped": counts["Stopped"],
        "failed": failed,
    }
    words = [f"{count} {word}" for word, count in shown.items() if count]
    seconds = job["ConsumedResources"]["RuntimeInSeconds"]
    yield f"{job['HyperParameterTuningJobStatus']} after {seconds} s: {', '.join(words) or 'nothing runs yet'}"
    best = job.get("BestTrainingJob")
    if best is not None:
        yield f"best {_shown(objective(best))}  {best['TrainingJobName']}  {point(best)}"
    if "FailureReason" in job:
        yield f"reason: {job['FailureReason']}"


def goal(job: Members) -> str:
    """Return ``Minimize`` or ``Maximize``."""
    return str(_objective(job)["Type"])


def is_better(job: Members, value: float, than: float) -> bool:
    """Tell whether an objective is better than another."""
    return value > than if goal(job) == "Maximize" else value < than


def objective(trial: Members) -> float | None:
    """Return what a training job reached; None: nothing yet, or at all."""
    found: float | None = trial.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    return found


def point(trial: Members) -> str:
    """Return the hyperparameters of a trial, numbers short."""
    return " ".join(f"{name}={_short(text)}" for name, text in sorted(trial["TunedHyperParameters"].items()))


def _trials(sagemaker: Any, name: str) -> Iterator[Members]:
    paginator = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    for page in paginator.paginate(HyperParameterTuningJobName=name, MaxResults=100):
        yield from page["TrainingJobSummaries"]


def _objective(job: Members) -> Members:
    config = job["HyperParameterTuningJobConfig"]
    several = job.get("TrainingJobDefinitions") or [job.get("TrainingJobDefinition", {})]
    given: Members = config.get("HyperParameterTuningJobObjective") or several[0]["TuningObjective"]
    return given


def _objective_name(job: Members) -> str:
    given = _objective(job)
    return f"{given['Type'].lower()} {given['MetricName']}"


def _rank(job: Members, trial: Members) -> float:
    value = objective(trial)
    if value is None or math.isnan(value):
        return math.inf
    return -value if goal(job) == "Maximize" else value


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _short(text: str) -> str:
    """A text of a hyperparameter: numbers short, nothing that would move the cursor."""
    try:
        return text if text.lstrip("-").isdecimal() else f"{float(text):.4g}"
    except ValueError:
        return "".join(letter if letter.isprintable() else "�" for letter in text)
