"""What Describe and List show of the trials of a tuning job."""

from collections.abc import Mapping, Sequence
from typing import Any

from wildsage.core.arns import Arn, partition_of
from wildsage.search.improvement import trials_without_improvement
from wildsage.search.trial import Goal, Status, Trial
from wildsage.services.sagemaker.tuning_definitions import Definition, definitions_of
from wildsage.store.resources import Key, Resource, Resources
from wildsage.store.runs import TRAINING_JOB
from wildsage.store.tuning_trials import Outcome, TrialRecord, TuningTrials

Summary = dict[str, Any]

_RETRYABLE = "InternalServerError"


class TrialViews:
    """Shows trials: what is over as it was noted, what runs as its training job says."""

    def __init__(self, resources: Resources, trials: TuningTrials) -> None:
        self._resources = resources
        self._trials = trials

    def summaries(self, job: Resource) -> list[Summary]:
        """Return all trials of a tuning job that have a training job, in the order of their numbers."""
        definitions = definitions_of(job.body)
        records = [one for one in self._trials.of(job.key) if one.state != "planned"]
        found = [self._summary(job, definitions, one) for one in records]
        return [one for one in found if one is not None]

    def described(self, job: Resource) -> Summary:
        """Return the members of Describe that trials decide."""
        records = self._trials.of(job.key)
        members: Summary = {**counters(records), "TuningJobCompletionDetails": _completion(job, records)}
        definitions = definitions_of(job.body)
        best = best_of(definitions, records)
        if best is not None:
            members["BestTrainingJob"] = self._summary(job, definitions, best)
        return members

    def overall_best(self, job: Resource, parents: Sequence[Resource]) -> Summary | None:
        """Return the best training job of a tuning job and its parents."""
        found: list[tuple[float, Summary]] = []
        for one in (job, *parents):
            definitions = definitions_of(one.body)
            best = best_of(definitions, self._trials.of(one.key))
            summary = None if best is None else self._summary(one, definitions, best)
            if summary is not None:
                value = summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
                found.append((value, {**summary, "TuningJobName": one.key.name}))
        if not found:
            return None
        choose = max if definitions_of(job.body)[0].objective["Type"] == "Maximize" else min
        return choose(found, key=lambda one: one[0])[1]

    def _summary(
        self, job: Resource, definitions: Sequence[Definition], trial: TrialRecord
    ) -> Summary | None:
        outcome = trial.outcome or self._now(job.key, trial)
        if outcome is None:
            return None
        definition = definition_of(definitions, trial)
        summary: Summary = {
            "TrainingJobName": trial.training_job,
            "TrainingJobArn": training_job_arn(job.key, trial),
            "CreationTime": outcome.created_at,
            "TrainingJobStatus": outcome.status,
            "TunedHyperParameters": dict(trial.point),
            "ObjectiveStatus": objective_status(trial),
        }
        if trial.definition:
            summary["TrainingJobDefinitionName"] = trial.definition
        if outcome.started_at is not None:
            summary["TrainingStartTime"] = outcome.started_at
        if trial.outcome is not None:
            summary["TrainingEndTime"] = outcome.ended_at
        if outcome.reason:
            summary["FailureReason"] = outcome.reason
        if outcome.objective is not None:
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": definition.objective["Type"],
                "MetricName": definition.objective["MetricName"],
                "Value": outcome.objective,
            }
        return summary

    def _now(self, job: Key, trial: TrialRecord) -> Outcome | None:
        """Return what the training job of a trial that runs says of itself."""
        found = self._resources.get(Key(job.account, job.region, TRAINING_JOB, trial.training_job))
        if found is None:
            return None
        started = found.body.get("TrainingStartTime")
        return Outcome(found.status, None, "", found.created_at, started, found.modified_at)


def training_job_arn(job: Key, trial: TrialRecord) -> str:
    """Return the ARN of a trial's training job."""
    resource = f"{TRAINING_JOB}/{trial.training_job.lower()}"
    return str(Arn(partition_of(job.region), "sagemaker", job.region, job.account, resource))


def definition_of(definitions: Sequence[Definition], trial: TrialRecord) -> Definition:
    """Return the definition that a trial is of."""
    return next(one for one in definitions if one.name == trial.definition)


def objective_status(trial: TrialRecord) -> str:
    """Return whether a trial has the value that the search learns from."""
    if trial.outcome is None:
        return "Pending"
    return "Failed" if trial.outcome.objective is None else "Succeeded"


def counters(records: Sequence[TrialRecord]) -> dict[str, Mapping[str, int]]:
    """Count trials by what became of their training jobs, and of their objectives."""
    jobs = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
    objectives = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
    for one in records:
        if one.state != "planned":
            jobs[_counted_as(one.outcome)] += 1
            objectives[objective_status(one)] += 1
    return {"TrainingJobStatusCounters": jobs, "ObjectiveStatusCounters": objectives}


def best_of(definitions: Sequence[Definition], records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the trial with the best objective; of equal ones the first."""
    best: TrialRecord | None = None
    # Definitions of one tuning job have the same goal.
    sign = -1 if definitions[0].objective["Type"] == "Maximize" else 1
    for one in records:
        if one.outcome is None or one.outcome.objective is None:
            continue
        if best is None or sign * one.outcome.objective < sign * _objective(best):
            best = one
    return best


def ended_in_order(records: Sequence[TrialRecord]) -> list[Trial]:
    """Return the trials that ended, in the order in which they did, as the search sees them."""
    over = [one for one in records if one.outcome is not None]
    over.sort(key=lambda one: (one.outcome.ended_at if one.outcome else 0.0, one.number))
    return [seen(one) for one in over]


def seen(trial: TrialRecord) -> Trial:
    """Return a trial as the search sees it."""
    outcome = trial.outcome
    if outcome is None:
        return Trial(trial.point)
    status = Status.FAILED if outcome.objective is None else Status.FINISHED
    return Trial(trial.point, status, outcome.objective)


def not_improving(definitions: Sequence[Definition], records: Sequence[TrialRecord]) -> int:
    """Count the last trials that did not improve on the best by 1 %."""
    goal: Goal = definitions[0].objective["Type"]
    return trials_without_improvement(ended_in_order(records), goal)


def _objective(trial: TrialRecord) -> float:
    value = None if trial.outcome is None else trial.outcome.objective
    return float("nan") if value is None else value


def _counted_as(outcome: Outcome | None) -> str:
    if outcome is None:
        return "InProgress"
    if outcome.status == "Failed":
        return "RetryableError" if outcome.reason.startswith(_RETRYABLE) else "NonRetryableError"
    return outcome.status


def _completion(job: Resource, records: Sequence[TrialRecord]) -> Summary:
    details: Summary = {
        "NumberOfTrainingJobsObjectiveNotImproving": not_improving(definitions_of(job.body), records)
    }
    if "_ConvergedAt" in job.body:
        details["ConvergenceDetectedTime"] = job.body["_ConvergedAt"]
    return details
