"""CreateProcessingJob, DescribeProcessingJob, ListProcessingJobs, StopProcessingJob, DeleteProcessingJob."""

from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError
from wildsage.jobs.processing import PROCESSING
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.cluster_size import check_size
from wildsage.services.sagemaker.common import RequirePassableRole, require_isolation
from wildsage.services.sagemaker.job_resource import Ahead, JobResource
from wildsage.services.sagemaker.processing_data import check_inputs, check_outputs
from wildsage.store.resources import Body, Resources

_DEFAULT_RUNTIME = 24 * 3600
_NOT_STORED = ("ProcessingJobName", "Tags")


@dataclass(frozen=True, slots=True)
class ProcessingJobRules:
    """What a create request is checked against.

    Attributes
    ----------
    can_isolate
        Whether this machine can run a container without a network.
    ahead
        How many jobs wait for capacity.
    """

    images: ImageCatalogue
    require_passable_role: RequirePassableRole
    can_isolate: bool
    ahead: Ahead


class ProcessingJobs:
    """Processing jobs: created here, carried by `wildsage.jobs.reconciler`."""

    def __init__(self, resources: Resources, rules: ProcessingJobRules) -> None:
        self._jobs = JobResource(resources, PROCESSING, "Could not find requested job with name: {name}")
        self._rules = rules

    @operation("CreateProcessingJob")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check everything that can be known now, store the job, and wake the reconciler."""
        await self._rules.images.look_up(PROCESSING.image_uri(request))
        image = self._checked_image(request)
        _check_instances(request, has_sandbox=self._rules.can_isolate, engine=image.engine)
        check_inputs(request)
        check_outputs(request)
        if request.get("NetworkConfig", {}).get("EnableNetworkIsolation"):
            require_isolation(can_isolate=self._rules.can_isolate)
        await self._rules.require_passable_role(context, request["RoleArn"])
        return await self._jobs.create(context, request, _body(request), image, self._rules.ahead)

    @operation("DescribeProcessingJob")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a job as it is now."""
        return self._jobs.describe(self._jobs.find(context, request))

    @operation("ListProcessingJobs")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return self._jobs.page(context, request, "ProcessingEndTime", "FailureReason", "ExitMessage")

    @operation("StopProcessingJob")
    async def stop(self, context: RequestContext, request: Request) -> Response:
        """Ask for the end of a job; its outputs so far are uploaded. Stopping twice is no error."""
        return await self._jobs.stop(context, request)

    @operation("DeleteProcessingJob")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a job that has ended. Its outputs and logs stay."""
        return await self._jobs.delete(context, request)

    def _checked_image(self, request: Request) -> ResolvedImage:
        try:
            image = PROCESSING.image_of(self._rules.images, request)
            PROCESSING.program_of(image, request)
        except UnknownImageError as error:
            raise ValidationError(str(error)) from None
        return image


def _check_instances(request: Request, *, has_sandbox: bool, engine: str) -> None:
    config = request["ProcessingResources"]["ClusterConfig"]
    if not config.get("InstanceType"):
        raise ValidationError(
            "ProcessingResources.ClusterConfig needs InstanceType and InstanceCount, e.g. ml.m5.xlarge and 1"
        )
    is_isolated = request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False)
    check_size(PROCESSING, request, has_sandbox=has_sandbox, is_isolated=is_isolated, engine=engine)


def _body(request: Request) -> Body:
    """Return the stored members: the request's own, and AWS's defaults."""
    body: dict[str, Any] = {name: value for name, value in request.items() if name not in _NOT_STORED}
    cluster = {"InstanceCount": 1, **request["ProcessingResources"]["ClusterConfig"]}
    body["ProcessingResources"] = {"ClusterConfig": cluster}
    body.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": _DEFAULT_RUNTIME})
    if "ProcessingInputs" in body:
        body["ProcessingInputs"] = [{"AppManaged": False, **item} for item in body["ProcessingInputs"]]
    if "ProcessingOutputConfig" in body:
        config = body["ProcessingOutputConfig"]
        outputs = [{"AppManaged": False, **item} for item in config["Outputs"]]
        body["ProcessingOutputConfig"] = {**config, "Outputs": outputs}
    return body
