"""Hyperparameter tuning jobs: created, described, listed, stopped and deleted here; carried by `wildsage.tuning`."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ResourceInUseError, ValidationError
from wildsage.core.states import is_terminal
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import PAGES, key_of, list_page, new_tags, sagemaker_arn
from wildsage.services.sagemaker.tuning_limits import MOST_TUNING_JOBS, check_quota
from wildsage.services.sagemaker.tuning_plan import TuningPlanner
from wildsage.services.sagemaker.tuning_trials import Summary, TrialViews, counters
from wildsage.services.sagemaker.tuning_warm_start import IDENTICAL, parent_names
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Resource, Resources
from wildsage.store.tags import Tags
from wildsage.store.tuning_trials import TUNING_JOB, TuningTrials

_NOT_STORED = ("HyperParameterTuningJobName", "Tags")
_SEEDS = 2**31
_AT_ONCE = "Number of parallel (concurrent) hyperparameter tuning jobs"


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a summary stands in a list: the value that is sorted by, then the name."""

    value: Any
    name: str


class TuningJobs:
    """Hyperparameter tuning jobs."""

    def __init__(self, resources: Resources, trials: TuningTrials, planner: TuningPlanner) -> None:
        self._resources = resources
        self._trials = trials
        self._planner = planner
        self._views = TrialViews(resources, trials)

    @operation("CreateHyperParameterTuningJob")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check everything that can be known now, store the tuning job, and wake the tuner."""
        planned = await self._planner.plan(context, request)
        name = request["HyperParameterTuningJobName"]
        arn, key = sagemaker_arn(context, TUNING_JOB, name), key_of(context, TUNING_JOB, name)
        at, tags = context.clock.now(), new_tags(request)
        seed = planned["HyperParameterTuningJobConfig"].get("RandomSeed")
        body = {
            **{member: value for member, value in planned.items() if member not in _NOT_STORED},
            **counters(()),
            "_Seed": secrets.randbelow(_SEEDS) if seed is None else seed,
            "_Principal": context.principal_arn,
        }

        def store(transaction: Transaction) -> None:
            Resources.insert(transaction, key, arn=arn, status="InProgress", at=at, body=body, tags=tags)
            # Of a tuning job of this name that was deleted by an earlier version, nothing may be left.
            TuningTrials.forget(transaction, key)
            others = TuningTrials.unfinished_beside(transaction, key)
            check_quota(_AT_ONCE, "Hyperparameter Tuning Jobs", 1, MOST_TUNING_JOBS, others)
            transaction.notify(TUNING_JOB)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError as error:
            raise ResourceInUseError(
                "Hyperparameter tuning job names must be unique within an AWS account and region, and a"
                f" hyperparameter tuning job with this name already exists ({error.existing.arn})"
            ) from None
        return {"HyperParameterTuningJobArn": arn}

    @operation("DescribeHyperParameterTuningJob")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a tuning job as it is now."""
        job = self._find(context, request)
        await self._planner.look_up(job.body)
        body = self._planner.described(job.body)
        public = {name: value for name, value in body.items() if not name.startswith("_")}
        end = job.body.get("HyperParameterTuningEndTime", context.clock.now())
        described: Response = {
            "HyperParameterTuningJobName": job.key.name,
            "HyperParameterTuningJobArn": job.arn,
            "HyperParameterTuningJobStatus": job.status,
            "CreationTime": job.created_at,
            "LastModifiedTime": job.modified_at,
            **public,
            **self._views.described(job),
            "ConsumedResources": {"RuntimeInSeconds": round(max(0.0, end - job.created_at))},
        }
        if job.body.get("WarmStartConfig", {}).get("WarmStartType") == IDENTICAL:
            parents = [
                self._resources.get(key_of(context, TUNING_JOB, name)) for name in parent_names(job.body)
            ]
            described["OverallBestTrainingJob"] = self._views.overall_best(
                job, [one for one in parents if one is not None]
            )
        return described

    @operation("ListHyperParameterTuningJobs")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries, by name unless the request says otherwise."""

        def summary(job: Resource) -> dict[str, Any]:
            found = {
                "HyperParameterTuningJobName": job.key.name,
                "HyperParameterTuningJobArn": job.arn,
                "HyperParameterTuningJobStatus": job.status,
                "Strategy": job.body["HyperParameterTuningJobConfig"]["Strategy"],
                "CreationTime": job.created_at,
                "LastModifiedTime": job.modified_at,
                "ResourceLimits": job.body["HyperParameterTuningJobConfig"]["ResourceLimits"],
                **self._counters(job),
            }
            if "HyperParameterTuningEndTime" in job.body:
                found["HyperParameterTuningEndTime"] = job.body["HyperParameterTuningEndTime"]
            return found

        return list_page(
            self._resources,
            context,
            {"SortBy": "Name", **request},
            kind=TUNING_JOB,
            member="HyperParameterTuningJobSummaries",
            summarize=summary,
            default_order="Ascending",
        )

    @operation("ListTrainingJobsForHyperParameterTuningJob")
    async def training_jobs(self, context: RequestContext, request: Request) -> Response:
        """Return a page of the training jobs of a tuning job; by their objective only those that have one."""
        job = self._find(context, request)
        by, ascending = request.get("SortBy", "Name"), request.get("SortOrder", "Ascending") == "Ascending"
        found = [one for one in self._views.summaries(job) if _is_listed(one, request)]
        order = _ORDERS[by]
        found.sort(key=lambda one: (order(one), one["TrainingJobName"]), reverse=not ascending)
        limit, after = PAGES.size(request), PAGES.position(request, length=2)
        if after is not None:
            found = [one for one in found if _is_behind(_position(one, by), after, ascending=ascending)]
        response: Response = {"TrainingJobSummaries": found[:limit]}
        if len(found) > limit:
            last = _position(found[limit - 1], by)
            response["NextToken"] = PAGES.behind(request, [last.value, last.name])
        return response

    @operation("StopHyperParameterTuningJob")
    async def stop(self, context: RequestContext, request: Request) -> Response:
        """Ask for the end of a tuning job and of all its training jobs."""
        job = self._find(context, request)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is None or is_terminal(TUNING_JOB, current.status):
                status = "deleted" if current is None else current.status
                raise ValidationError(
                    f"The request was rejected because the hyperparameter tuning job is in status {status}."
                )
            body = {**current.body, **counters(TuningTrials.fetch(transaction, job.key))}
            Resources.transition(transaction, job.key, to="Stopping", at=at, body=body)
            transaction.notify(TUNING_JOB)

        await self._resources.database.write(store)
        return {}

    @operation("DeleteHyperParameterTuningJob")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a tuning job that has ended. Its training jobs, models and logs stay."""
        job = self._find(context, request)

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is not None and not is_terminal(TUNING_JOB, current.status):
                raise ResourceInUseError(
                    f"Hyperparameter tuning job {job.arn} is {current.status} and cannot be deleted: stop it first"
                )
            Resources.delete(transaction, job.key)
            Tags.remove_all(transaction, job.arn)
            TuningTrials.forget(transaction, job.key)

        await self._resources.database.write(store)
        return {}

    def _counters(self, job: Resource) -> Mapping[str, Any]:
        """Count the trials of a tuning job; those of one that is over were counted at its end."""
        if is_terminal(TUNING_JOB, job.status):
            return {name: job.body[name] for name in counters(())}
        return counters(self._trials.of(job.key))

    def _find(self, context: RequestContext, request: Request) -> Resource:
        name = request["HyperParameterTuningJobName"]
        job = self._resources.get(key_of(context, TUNING_JOB, name))
        if job is None:
            raise NotFoundError(
                f"Amazon SageMaker can't find a tuning job with the name {name} in {context.region}."
                " Verify that the job name is correct"
            )
        return job


def _value(summary: Summary) -> float | None:
    found: float | None = summary.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    return found


_ORDERS: Mapping[str, Callable[[Summary], Any]] = {
    "Name": lambda one: one["TrainingJobName"],
    "CreationTime": lambda one: one["CreationTime"],
    "Status": lambda one: one["TrainingJobStatus"],
    "FinalObjectiveMetricValue": _value,
}


def _is_listed(summary: Summary, request: Request) -> bool:
    if summary["TrainingJobStatus"] != request.get("StatusEquals", summary["TrainingJobStatus"]):
        return False
    return request.get("SortBy") != "FinalObjectiveMetricValue" or _value(summary) is not None


def _position(summary: Summary, by: str) -> _Position:
    return _Position(_ORDERS[by](summary), summary["TrainingJobName"])


def _is_behind(position: _Position, after: list[Any], *, ascending: bool) -> bool:
    here, there = (position.value, position.name), (after[0], after[1])
    return here > there if ascending else here < there
