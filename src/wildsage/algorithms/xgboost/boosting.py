"""The rounds of boosting: update, evaluate, tell, stop.

The library's own ``train`` does the same; its callbacks differ from version to version, its Booster does not. The
models are equal byte for byte.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import xgboost

from wildsage.algorithms.xgboost import library
from wildsage.algorithms.xgboost.custom_metrics import Evaluation, Total, evaluate
from wildsage.algorithms.xgboost.metric_names import is_maximized
from wildsage.algorithms.xgboost.parameters import Metrics, Parameters, metric_name
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.xgboost_network import is_any

Scores = Mapping[str, Mapping[str, float]]
"""By data set and metric."""


class Watcher(Protocol):
    """Sees the model after each round."""

    def after_round(self, booster: Any, number: int) -> bool:
        """Look at the model of a round, counted from 0 over all that it has; True: stop."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to boost.

    Attributes
    ----------
    rounds
        In all, those of a checkpoint among them.
    patience
        Rounds without a better score of `metrics.stopping` on the validation data; None: no early stopping.
    total
        Adds an array up over all hosts.
    """

    parameters: Parameters
    metrics: Metrics
    rounds: int
    patience: int | None
    total: Total


@dataclass(frozen=True, slots=True)
class Boosted:
    """A model and the scores of its last round."""

    booster: Any
    scores: Scores = field(default_factory=dict)


def boost(
    plan: Plan,
    matrices: Mapping[str, Any],
    watchers: Sequence[Watcher],
    start: tuple[Path, int] | None = None,
    report: Callable[[int, Scores], None] | None = None,
) -> Boosted:
    """Boost round by round.

    Parameters
    ----------
    matrices
        The data sets by name, ``train`` first.
    start
        The file of a checkpoint and the rounds that it has.
    report
        Is told the scores of each round.
    """
    file, done = (str(start[0]), start[1]) if start else (None, 0)
    booster = xgboost.Booster(plan.parameters, list(matrices.values()), model_file=file)
    stopping = _EarlyStopping(plan) if plan.patience and plan.metrics.stopping else None
    scores: Scores = {}
    count = done
    for number in range(done, plan.rounds):
        # The library counts the rounds of this run.
        booster.update(matrices["train"], number - done)
        library.end_round(booster)
        count = number + 1
        scores = _scores(booster, matrices, plan, number)
        if report is not None:
            report(number, scores)
        stops = [watcher.after_round(booster, number) for watcher in watchers]
        if stopping is not None:
            stops.append(stopping.after_round(booster, number, scores))
        if any(stops):
            break
    if count == done:  # the checkpoint has all rounds
        scores = _scores(booster, matrices, plan, count - 1)
    if stopping is not None:
        booster, count = stopping.best(booster, count)
    library.note_rounds(booster, count, _trees_of_a_round(plan.parameters))
    return Boosted(booster, scores)


def _trees_of_a_round(parameters: Parameters) -> int:
    given = dict(parameters)
    return 0 if given.get("booster") == "gblinear" else int(given.get("num_parallel_tree", 1))


def _scores(booster: Any, matrices: Mapping[str, Any], plan: Plan, number: int) -> Scores:
    text = booster.eval_set([(matrix, name) for name, matrix in matrices.items()], number)
    found: dict[str, dict[str, float]] = {name: {} for name in matrices}
    for entry in text.split("\t")[1:]:
        label, _, value = entry.rpartition(":")
        data, _, metric = label.partition("-")
        found[data][metric_name(metric)] = float(value)
    if plan.metrics.custom:
        for name, matrix in matrices.items():
            found[name].update(evaluate(plan.metrics.custom, _evaluation(booster, matrix, plan.total)))
    return found


def _evaluation(booster: Any, matrix: Any, total: Total) -> Evaluation:
    return Evaluation(
        margins=lambda: library.predict(booster, matrix, margin=True),
        values=lambda: library.predict(booster, matrix),
        labels=matrix.get_label(),
        total=total,
    )


class _EarlyStopping:
    """Follows one score on the validation data, as the library's callback of the name does."""

    def __init__(self, plan: Plan) -> None:
        assert plan.patience is not None
        assert plan.metrics.stopping is not None
        self._patience = plan.patience
        self._metric = plan.metrics.stopping
        self._sign = 1 if is_maximized(self._metric) else -1
        self._linear = dict(plan.parameters).get("booster") == "gblinear"
        self._best: tuple[float, int] | None = None
        self._kept: Any = None

    def after_round(self, booster: Any, number: int, scores: Scores) -> bool:
        score = scores["validation"][self._metric]
        if self._best is None or self._sign * score > self._sign * self._best[0]:
            self._best = score, number
            self._note(booster)
            if self._linear:  # it has no rounds that could be cut off
                self._kept = booster.copy()
            return False
        return number - self._best[1] >= self._patience

    def best(self, booster: Any, count: int) -> tuple[Any, int]:
        """Return the model of the best round, and its rounds."""
        if self._best is None:
            return booster, count
        count = self._best[1] + 1
        if self._kept is not None:
            return self._kept, count
        booster = library.keep_rounds(booster, count)
        self._note(booster)
        return booster, count

    def _note(self, booster: Any) -> None:
        assert self._best is not None
        booster.set_attr(best_score=str(self._best[0]), best_iteration=str(self._best[1]))


class Kept:
    """Writes the model of each round to where the job's model is: what there is when the job is stopped. A `Watcher`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after_round(self, booster: Any, number: int) -> bool:
        """Write the model; training goes on."""
        del number
        library.write_artifact(booster, self._path)
        return False


class Stop:
    """Ends boosting after the round in which SIGTERM comes, on all hosts. A `Watcher`."""

    def __init__(self) -> None:
        self.is_wanted = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        LOGGER.info("Stopped by the platform (SIGTERM): the model of this round is kept")
        self.is_wanted = True

    def after_round(self, booster: Any, number: int) -> bool:
        """Tell whether any host was asked to stop."""
        del booster, number
        self.is_wanted = is_any(self.is_wanted)
        return self.is_wanted


def line(number: int, scores: Scores) -> str:
    """Return the log line of a round: ``[0]<tab>train-rmse:8.1<tab>validation-rmse:8.0``."""
    entries = (
        f"\t{data}-{metric}:{value:.5f}"
        for data, metrics in scores.items()
        for metric, value in metrics.items()
    )
    return f"[{number}]" + "".join(entries)
