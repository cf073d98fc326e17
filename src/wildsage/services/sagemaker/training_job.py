"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob, UpdateTrainingJob, DeleteTrainingJob."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ValidationError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.core.states import is_terminal
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError
from wildsage.jobs.history import advance, first_step
from wildsage.jobs.metrics import InvalidExpressionError, compile_expression
from wildsage.jobs.reconciler import CREATED, STOPPING
from wildsage.jobs.training import image_of
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import (
    RequirePassableRole,
    key_of,
    list_page,
    new_tags,
    require_isolation,
    sagemaker_arn,
)
from wildsage.services.sagemaker.training_inputs import check_input_modes, check_inputs
from wildsage.store.database import Transaction
from wildsage.store.file_systems import FileSystems
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import AlreadyExistsError, Body, Resource, Resources
from wildsage.store.runs import TRAINING_JOB, Runs, first_run_id
from wildsage.store.tags import Tags

_LONGEST_RUNTIME = 28 * 24 * 3600
_DEFAULT_RUNTIME = 24 * 3600
_NOT_STORED = ("TrainingJobName", "Tags")


@dataclass(frozen=True, slots=True)
class TrainingJobRules:
    """What a create request is checked against.

    Attributes
    ----------
    can_isolate
        Whether this machine can run a container without a network.
    metric_definitions
        ``MetricDefinitions`` of a built-in algorithm, by its module.
    ahead
        How many jobs wait before one for an instance type; None where there is capacity for it now.
    """

    images: ImageCatalogue
    objects: RoleObjects
    require_passable_role: RequirePassableRole
    can_isolate: bool
    metric_definitions: Callable[[str], Sequence[Mapping[str, str]]]
    ahead: Callable[[str], int | None]
    file_systems: FileSystems


class TrainingJobs:
    """Training jobs: created here, carried by `wildsage.jobs.reconciler`."""

    def __init__(self, resources: Resources, rules: TrainingJobRules) -> None:
        self._resources = resources
        self._rules = rules

    @operation("CreateTrainingJob")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check everything that can be known now, store the job, and wake the reconciler."""
        image = self._checked_image(request)
        metrics = self._metric_definitions(image, request)
        _check_resources(request)
        _check_stopping_condition(request)
        if request.get("EnableNetworkIsolation"):
            require_isolation(can_isolate=self._rules.can_isolate)
        await self._rules.require_passable_role(context, request["RoleArn"])
        if request.get("InputDataConfig"):
            objects = self._rules.objects.of_request(context, request["RoleArn"])
            check_inputs(context, request, objects, self._rules.file_systems)
        _check_output(request)
        arn = sagemaker_arn(context, TRAINING_JOB, request["TrainingJobName"])
        key = key_of(context, TRAINING_JOB, request["TrainingJobName"])
        at = context.clock.now()
        ahead = self._rules.ahead(request["ResourceConfig"]["InstanceType"])
        body = {**_body(request, image, metrics), **first_step(at, ahead)}
        tags, run_id = new_tags(request), first_run_id(at)

        def store(transaction: Transaction) -> None:
            Resources.insert(transaction, key, arn=arn, status="InProgress", at=at, body=body, tags=tags)
            Runs.queue(transaction, run_id, key, 1, at)
            transaction.notify(CREATED)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError as error:
            raise ResourceInUseError(
                "Training job names must be unique within an AWS account and region,"
                f" and a training job with this name already exists ({error.existing.arn})"
            ) from None
        return {"TrainingJobArn": arn}

    @operation("DescribeTrainingJob")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a job as it is now."""
        job = self._find(context, request)
        return {
            "TrainingJobName": job.key.name,
            "TrainingJobArn": job.arn,
            "TrainingJobStatus": job.status,
            "CreationTime": job.created_at,
            "LastModifiedTime": job.modified_at,
            **_public_members(job.body),
        }

    @operation("ListTrainingJobs")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return list_page(
            self._resources,
            context,
            request,
            kind=TRAINING_JOB,
            member="TrainingJobSummaries",
            summarize=_summary,
            default_order="Ascending",
        )

    @operation("StopTrainingJob")
    async def stop(self, context: RequestContext, request: Request) -> Response:
        """Ask for the end of a job; its artifacts so far are kept. Stopping twice is no error."""
        job = self._find(context, request)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is None or is_terminal(TRAINING_JOB, current.status):
                status = "deleted" if current is None else current.status
                raise ValidationError(
                    f"The request was rejected because the training job is in status {status}."
                )
            advance(transaction, job.key, "Stopping", at)
            transaction.notify(STOPPING)

        await self._resources.database.write(store)
        return {}

    @operation("UpdateTrainingJob")
    async def update(self, context: RequestContext, request: Request) -> Response:
        """Change the profiler and remote-debug members of a job that runs (they are recorded only)."""
        job = self._find(context, request)
        at = context.clock.now()
        changes = {name: value for name, value in request.items() if name != "TrainingJobName"}
        if "ResourceConfig" in changes:
            raise ValidationError(
                "KeepAlivePeriodInSeconds cannot be changed: this job has no warm pool."
                " Wildsage starts jobs without one"
            )

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is None or current.status != "InProgress":
                raise ValidationError(
                    f"Training job {job.key.name} can only be updated while it is InProgress;"
                    f" it is {'deleted' if current is None else current.status}"
                )
            Resources.update(transaction, job.key, at=at, body={**current.body, **changes})

        await self._resources.database.write(store)
        return {"TrainingJobArn": job.arn}

    @operation("DeleteTrainingJob")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a job that has ended. Its artifacts and logs stay."""
        job = self._find(context, request)

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is not None and not is_terminal(TRAINING_JOB, current.status):
                raise ResourceInUseError(
                    f"Training job {job.arn} is {current.status} and cannot be deleted: stop it first"
                )
            Resources.delete(transaction, job.key)
            Tags.remove_all(transaction, job.arn)
            Runs.forget(transaction, job.key)

        await self._resources.database.write(store)
        return {}

    def _find(self, context: RequestContext, request: Request) -> Resource:
        job = self._resources.get(key_of(context, TRAINING_JOB, request["TrainingJobName"]))
        if job is None:
            raise ValidationError("Requested resource not found.")
        return job

    # What create refuses

    def _checked_image(self, request: Request) -> ResolvedImage:
        specification = request["AlgorithmSpecification"]
        uri = specification.get("TrainingImage")
        if not uri:
            raise ValidationError(
                "AlgorithmSpecification needs TrainingImage, the URI of an image."
                " AlgorithmName (Marketplace and own algorithm resources) is not available here"
            )
        try:
            image = image_of(self._rules.images, request)
        except UnknownImageError as error:
            raise ValidationError(str(error)) from None
        check_input_modes(request)
        return image

    def _metric_definitions(self, image: ResolvedImage, request: Request) -> list[Mapping[str, str]]:
        """Return the metrics of a job: a built-in algorithm has its own, any other image the user's."""
        given = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        if image.kind == "algorithm":
            if given:
                raise ValidationError(
                    "You can't override the metric definitions for Amazon SageMaker algorithms."
                    " Please retry the request without specifying metric definitions."
                )
            return list(self._rules.metric_definitions(image.algorithm))
        for definition in given:
            try:
                compile_expression(definition["Regex"])
            except InvalidExpressionError as error:
                raise ValidationError(
                    f"The Regex of metric {definition['Name']!r} is not a regular expression: {error}"
                ) from None
        return list(given)


def _check_output(request: Request) -> None:
    """Refuse, before anything runs, a place where artifacts can never go."""
    try:
        split_s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    except S3UriError as error:
        raise ValidationError(f"OutputDataConfig.S3OutputPath: {error}") from None


def _check_resources(request: Request) -> None:
    config = request.get("ResourceConfig", {})
    if not config.get("InstanceType"):
        raise ValidationError(
            "ResourceConfig needs InstanceType and InstanceCount, e.g. ml.m5.xlarge and 1"
            " (InstanceGroups and serverless jobs are not implemented yet)"
        )
    if config.get("InstanceCount", 1) != 1:
        raise ValidationError(
            f"ResourceConfig.InstanceCount {config['InstanceCount']} is not implemented yet: use 1"
        )


def _check_stopping_condition(request: Request) -> None:
    condition = request.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    wait = condition.get("MaxWaitTimeInSeconds")
    if runtime > _LONGEST_RUNTIME:
        raise ValidationError(
            f"MaxRuntimeInSeconds {runtime} is longer than 28 days ({_LONGEST_RUNTIME} seconds)"
        )
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < runtime:
            raise ValidationError(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
                f" MaxRuntimeInSeconds ({runtime}); it is {wait}"
            )
    elif wait is not None:
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )


# What Describe and List show


def _body(request: Request, image: ResolvedImage, metrics: Sequence[Mapping[str, str]]) -> Body:
    """Return the stored members: the request's own, and AWS's defaults."""
    body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_STORED}
    specification = dict(request["AlgorithmSpecification"])
    if metrics:
        specification["MetricDefinitions"] = list(metrics)
    specification.setdefault("EnableSageMakerMetricsTimeSeries", image.kind == "algorithm")
    body["AlgorithmSpecification"] = specification
    body["OutputDataConfig"] = {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]}
    body["ResourceConfig"] = {"InstanceCount": 1, "VolumeSizeInGB": 30, **request["ResourceConfig"]}
    body["StoppingCondition"] = {
        "MaxRuntimeInSeconds": _DEFAULT_RUNTIME,
        **request.get("StoppingCondition", {}),
    }
    for switch in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        body.setdefault(switch, False)
    body["ProfilingStatus"] = "Disabled"
    body["_ImageKind"] = image.kind
    return body


def _public_members(body: Body) -> Body:
    """Return what clients may see: machinery keeps its own under names that begin with ``_``."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def _summary(job: Resource) -> dict[str, Any]:
    return {
        "TrainingJobName": job.key.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created_at,
        "TrainingEndTime": job.body.get("TrainingEndTime"),
        "LastModifiedTime": job.modified_at,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.body["SecondaryStatus"],
    }
