"""CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob, UpdateTrainingJob, DeleteTrainingJob."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.s3_uri import S3UriError, split_s3_uri
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError
from wildsage.jobs.metrics import InvalidExpressionError, compile_expression
from wildsage.jobs.training import TRAINING
from wildsage.services.operation import Request, Response, operation
from wildsage.services.rooms import ServiceRooms
from wildsage.services.sagemaker.checkpoints import check_checkpoints
from wildsage.services.sagemaker.common import RequirePassableRole, require_isolation
from wildsage.services.sagemaker.job_resource import Ahead, JobResource
from wildsage.services.sagemaker.training_inputs import check_input_modes, check_inputs
from wildsage.services.sagemaker.training_instances import check_instances
from wildsage.services.sagemaker.warm_pools import check_keep_alive, kept_for, warm_pool_status, with_pool
from wildsage.store.database import Transaction
from wildsage.store.file_systems import FileSystems
from wildsage.store.object_access import RoleObjects
from wildsage.store.resources import Body, Resource, Resources

_LONGEST_RUNTIME = 28 * 24 * 3600
_DEFAULT_RUNTIME = 24 * 3600
_LONGEST_WAIT_WITHOUT_CHECKPOINTS = 3600
_NOT_STORED = ("TrainingJobName", "Tags")
OBJECTIVE_METRIC = "ObjectiveMetric"
"""As what training jobs of a tuning job show its objective, whatever the metric's own name."""


@dataclass(frozen=True, slots=True)
class TrainingJobRules:
    """What a create request is checked against.

    Attributes
    ----------
    can_isolate
        Whether this machine can run a container without a network.
    metric_definitions
        ``MetricDefinitions`` of a built-in algorithm, by its module.
    saves_checkpoints
        Whether a built-in algorithm goes on from checkpoints, by its module.
    ahead
        How many jobs wait for capacity.
    """

    images: ImageCatalogue
    objects: RoleObjects
    require_passable_role: RequirePassableRole
    can_isolate: bool
    metric_definitions: Callable[[str], Sequence[Mapping[str, str]]]
    saves_checkpoints: Callable[[str], bool]
    ahead: Ahead
    file_systems: FileSystems


class TrainingJobs:
    """Training jobs: created here, carried by `wildsage.jobs.reconciler`."""

    def __init__(self, resources: Resources, rules: TrainingJobRules) -> None:
        self._jobs = JobResource(resources, TRAINING, "Requested resource not found.")
        self._rules = rules

    @operation("CreateTrainingJob")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check everything that can be known now, store the job, and wake the reconciler."""
        return await self._create(context, request)

    async def create_for_tuning(
        self, context: RequestContext, request: Request, tuning_job: str, objective: str
    ) -> Response:
        """Create a training job of a tuning job as `create` does.

        Parameters
        ----------
        tuning_job
            Its ARN.
        objective
            Name of the metric that is tuned, also shown as ``ObjectiveMetric``.
        """
        return await self._create(context, request, tuning_job, objective)

    async def _create(
        self, context: RequestContext, request: Request, tuning_job: str = "", objective: str = ""
    ) -> Response:
        image, metrics = await self.check(context, request)
        body = _body(request, image, metrics + _objective(metrics, objective))
        if tuning_job:
            body["TuningJobArn"] = tuning_job
        return await self._jobs.create(context, request, body, image, self._rules.ahead, with_pool)

    async def check(
        self, context: RequestContext, request: Request
    ) -> tuple[ResolvedImage, list[Mapping[str, str]]]:
        """Refuse a request to create a job that can be known to fail. Returns the image and the job's metrics.

        Raises
        ------
        ServiceError
            Naming what is wrong.
        """
        uri = request["AlgorithmSpecification"].get("TrainingImage")
        await self._rules.images.look_up(*filter(None, [uri]))
        image = self._checked_image(request)
        metrics = self._metric_definitions(image, request)
        check_instances(request, has_sandbox=self._rules.can_isolate, engine=image.engine)
        saves_checkpoints = image.kind != "algorithm" or self._rules.saves_checkpoints(image.algorithm)
        _check_stopping_condition(request, saves_checkpoints=saves_checkpoints)
        check_checkpoints(request)
        check_keep_alive(request)
        if request.get("EnableNetworkIsolation"):
            require_isolation(can_isolate=self._rules.can_isolate)
        await self._rules.require_passable_role(context, request["RoleArn"])
        if request.get("InputDataConfig"):
            objects = self._rules.objects.of_request(context, request["RoleArn"])
            check_inputs(context, request, objects, self._rules.file_systems)
        _check_output(request)
        return image, metrics

    @operation("DescribeTrainingJob")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a job as it is now."""
        job = self._jobs.find(context, request)
        return {**self._jobs.describe(job), **_warm_pool(job, context)}

    @operation("ListTrainingJobs")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return self._jobs.page(
            context,
            request,
            "TrainingEndTime",
            "SecondaryStatus",
            shown=lambda job: _warm_pool(job, context),
        )

    @operation("StopTrainingJob")
    async def stop(self, context: RequestContext, request: Request) -> Response:
        """Ask for the end of a job; its artifacts so far are kept. Stopping twice is no error."""
        return await self._jobs.stop(context, request)

    @operation("UpdateTrainingJob")
    async def update(self, context: RequestContext, request: Request) -> Response:
        """Change how long a warm pool lasts; the profiler and remote-debug members of a job that runs are recorded."""
        job = self._jobs.find(context, request)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is None:
                raise ValidationError(f"Training job {job.key.name} can only be updated while it is there")
            Resources.update(transaction, job.key, at=at, body=_updated(current, request, at))

        await self._jobs.resources.database.write(store)
        return {"TrainingJobArn": job.arn}

    @operation("DeleteTrainingJob")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a job that has ended. Its artifacts and logs stay."""
        return await self._jobs.delete(context, request)

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
            image = TRAINING.image_of(self._rules.images, request)
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


def _updated(job: Resource, request: Request, at: float) -> Body:
    """Return the body of a job with what UpdateTrainingJob changes of it."""
    changes = {
        name: value for name, value in request.items() if name not in ("TrainingJobName", "ResourceConfig")
    }
    if changes and job.status != "InProgress":
        raise ValidationError(
            f"Training job {job.key.name} can only be updated while it is InProgress; it is {job.status}"
        )
    config = request.get("ResourceConfig")
    body = job.body if config is None else kept_for(job, config["KeepAlivePeriodInSeconds"], at)
    return {**body, **changes}


def _check_output(request: Request) -> None:
    """Refuse, before anything runs, a place where artifacts can never go."""
    try:
        split_s3_uri(request["OutputDataConfig"]["S3OutputPath"])
    except S3UriError as error:
        raise ValidationError(f"OutputDataConfig.S3OutputPath: {error}") from None


def _check_stopping_condition(request: Request, *, saves_checkpoints: bool) -> None:
    condition = request.get("StoppingCondition", {})
    runtime = condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    wait = condition.get("MaxWaitTimeInSeconds")
    if runtime > _LONGEST_RUNTIME:
        raise ValidationError(
            f"MaxRuntimeInSeconds {runtime} is longer than 28 days ({_LONGEST_RUNTIME} seconds)"
        )
    if request.get("EnableManagedSpotTraining"):
        _check_spot(runtime, wait, saves_checkpoints=saves_checkpoints)
    elif wait is not None:
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )


def _check_spot(runtime: int, wait: int | None, *, saves_checkpoints: bool) -> None:
    if wait is None or wait < runtime:
        raise ValidationError(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
            f" MaxRuntimeInSeconds ({runtime}); it is {wait}"
        )
    if not saves_checkpoints and wait > _LONGEST_WAIT_WITHOUT_CHECKPOINTS:
        raise ValidationError(
            f"Invalid MaxWaitTimeInSeconds. {wait} is above {_LONGEST_WAIT_WITHOUT_CHECKPOINTS}, which is not"
            " supported for the given algorithm: it saves no checkpoints, so each interruption costs all its work"
        )


def training_jobs(rooms: ServiceRooms) -> TrainingJobs:
    """Make the resource's class of what the services stand on."""
    rules = TrainingJobRules(
        rooms.images,
        rooms.objects,
        rooms.roles.require_passable,
        rooms.can_isolate,
        rooms.metric_definitions,
        rooms.saves_checkpoints,
        rooms.capacity.ahead_for,
        rooms.file_systems,
    )
    return TrainingJobs(rooms.resources, rules)


# What Describe and List show


def _warm_pool(job: Resource, context: RequestContext) -> dict[str, Any]:
    status = warm_pool_status(job, context.clock.now())
    return {"WarmPoolStatus": status} if status else {}


def _objective(metrics: Sequence[Mapping[str, str]], name: str) -> list[Mapping[str, str]]:
    """Return the definition under which a tuning job's objective is shown, too."""
    return [{"Name": OBJECTIVE_METRIC, "Regex": one["Regex"]} for one in metrics if one["Name"] == name]


def _body(request: Request, image: ResolvedImage, metrics: Sequence[Mapping[str, str]]) -> Body:
    """Return the stored members: the request's own, and AWS's defaults."""
    body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_STORED}
    specification = dict(request["AlgorithmSpecification"])
    if metrics:
        specification["MetricDefinitions"] = list(metrics)
    specification.setdefault("EnableSageMakerMetricsTimeSeries", image.kind == "algorithm")
    body["AlgorithmSpecification"] = specification
    body["OutputDataConfig"] = {"KmsKeyId": "", "CompressionType": "GZIP", **request["OutputDataConfig"]}
    given = request["ResourceConfig"]
    count = {} if given.get("InstanceGroups") else {"InstanceCount": 1}
    body["ResourceConfig"] = {**count, "VolumeSizeInGB": 30, **given}
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
    return body
