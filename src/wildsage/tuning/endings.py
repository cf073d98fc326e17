"""When a tuning job ends, by what its trials came to and by the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wildsage.services.sagemaker.tuning_definitions import Definition, definitions_of
from wildsage.services.sagemaker.tuning_limits import training_jobs
from wildsage.services.sagemaker.tuning_trials import best_of, not_improving
from wildsage.store.resources import Resource
from wildsage.store.tuning_trials import TrialRecord

FAILURES = 5
"""So many training jobs may fail before the first that succeeds."""

_NONE_SUCCEEDED = (
    "No training job succeeded after {count} attempts. For additional details, please take a look at the training job"
    " failures by listing training jobs for the hyperparameter tuning job."
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a tuning job ends.

    Attributes
    ----------
    reason
        Of a failure.
    """

    status: Literal["Completed", "Failed", "Stopped"]
    reason: str = ""

    @classmethod
    def of(cls, job: Resource) -> "Ending | None":
        """Return the ending that was decided already."""
        if job.status == "Stopping":
            return cls("Stopped")
        decided: Mapping[str, Any] | None = job.body.get(DECIDED)
        return None if decided is None else cls(decided["status"], decided["reason"])


DECIDED = "_Ending"
"""Member of a tuning job's body: how it ends, once that is decided. Trials that still run change nothing of it."""


def ending_of(job: Resource, records: Sequence[TrialRecord], now: float) -> Ending | None:
    """Decide whether a tuning job ends now, whatever still runs; None: it goes on."""
    config, definitions = job.body["HyperParameterTuningJobConfig"], definitions_of(job.body)
    failure = _failure(records, most(job))
    if failure is not None:
        return failure
    criteria = config.get("TuningJobCompletionCriteria", {})
    if _is_reached(criteria.get("TargetObjectiveMetricValue"), definitions, records):
        return Ending("Completed")
    patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if patience is not None and not_improving(definitions, records) >= patience:
        return Ending("Completed")
    left = seconds_left(job, now)
    if left is not None and left <= 0:
        return Ending("Completed")
    is_over = len(records) >= most(job) and all(one.state == "ended" for one in records)
    return Ending("Completed") if is_over else None


def most(job: Resource) -> int:
    """Return how many trials a tuning job has at most: its limit, or all points that there are."""
    definitions = definitions_of(job.body)
    limit = training_jobs(job.body["HyperParameterTuningJobConfig"], definitions)
    counts = [one.count for one in definitions if one.count is not None]
    return min(limit, sum(counts)) if len(counts) == len(definitions) else limit


def seconds_left(job: Resource, now: float) -> float | None:
    """Return how long a tuning job may still run; None: as long as it takes."""
    limit = job.body["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxRuntimeInSeconds")
    return None if limit is None else job.created_at + limit - now


def _failure(records: Sequence[TrialRecord], limit: int) -> Ending | None:
    over = [one.outcome for one in records if one.outcome is not None]
    failed = [one for one in over if one.status == "Failed"]
    if len(failed) < min(FAILURES, limit) or len(failed) < len(over):
        return None
    reason = _NONE_SUCCEEDED.format(count=len(failed))
    first = failed[0].reason
    # What to do about it is said once, of the whole.
    cause = first.rpartition(" Next step: ")[0] or first
    return Ending("Failed", f"{reason} The first one failed with: {cause}")


def _is_reached(
    target: float | None, definitions: Sequence[Definition], records: Sequence[TrialRecord]
) -> bool:
    best = None if target is None else best_of(definitions, records)
    if target is None or best is None or best.outcome is None or best.outcome.objective is None:
        return False
    if definitions[0].objective["Type"] == "Maximize":
        return best.outcome.objective >= target
    return best.outcome.objective <= target
