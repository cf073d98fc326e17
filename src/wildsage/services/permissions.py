"""Which permissions a request needs: IAM actions, and the resources that it names.

S3 has a table of its own, EventBridge a rule. Of all other services an action is called as its operation, and asked for on each
resource that a member of the request names, or on ``*``. Source: Service Authorization Reference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from wildsage.core.context import RequestContext
from wildsage.core.permission import Permission
from wildsage.services.events.permissions import event_resources
from wildsage.services.iam.directory import Directory
from wildsage.services.operation import Request
from wildsage.services.s3.permissions import s3_permissions

_KINDS: Mapping[str, str] = {
    "EndpointConfigName": "endpoint-config",
    "EndpointName": "endpoint",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job",
    "ModelName": "model",
    "ProcessingJobName": "processing-job",
    "TrainingJobName": "training-job",
}
"""Kind of a SageMaker resource by the request member that names one."""

_PASSED_ROLES = ("RoleArn", "ExecutionRoleArn", "RoleARN")
_PASSED_TO: Mapping[str, str] = {
    "application-autoscaling": "application-autoscaling.amazonaws.com",
    "events": "events.amazonaws.com",
    "sagemaker": "sagemaker.amazonaws.com",
}
"""Services that are handed roles, and as whom they assume them."""
_WITHOUT_PERMISSION = frozenset({"GetCallerIdentity", "GetSessionToken"})
"""Of STS: these work even where a policy denies them."""

ResourcesOf = Callable[[RequestContext, Request], Iterable[str]]


class Permissions:
    """Reads off a request what its principal must be allowed."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._resources: Mapping[str, tuple[str, ResourcesOf]] = {
            "application-autoscaling": ("application-autoscaling", _scalable_targets),
            "ecr": ("ecr", _repositories),
            "cloudwatch": ("cloudwatch", _alarms),
            "iam": ("iam", self._identities),
            "logs": ("logs", _log_groups),
            "sagemaker": ("sagemaker", _sagemaker_resources),
            "sagemaker-runtime": ("sagemaker", _sagemaker_resources),
            "sts": ("sts", _assumed_role),
        }

    def of(
        self, context: RequestContext, service: str, operation: str, request: Request
    ) -> Iterator[Permission]:
        """Yield the permissions that a request needs.

        Parameters
        ----------
        service
            As botocore names it.
        """
        if service == "s3":
            yield from s3_permissions(context, operation, request)
            return
        if service == "sts" and operation in _WITHOUT_PERMISSION:
            return
        if (service, operation) == ("cloudwatch", "PutMetricData"):
            # Policies restrict who may write where by this key, not by a resource.
            values = {"cloudwatch:namespace": (request["Namespace"],)}
            yield Permission("cloudwatch:PutMetricData", "*", values)
            return
        prefix, resources_of = self._resources.get(service, (service, _nothing))
        if service == "events":
            named = tuple(event_resources(context, operation, request))
        else:
            named = tuple(resources_of(context, request))
        for resource in named or ("*",):
            yield Permission(f"{prefix}:{operation}", resource)
        if service in _PASSED_TO:
            yield from _passed_roles(request, _PASSED_TO[service])

    def _identities(self, context: RequestContext, request: Request) -> Iterator[str]:
        if "RoleName" in request:
            role = self._directory.find_role(context.account, request["RoleName"])
            yield _iam_arn(context, "role", request, "RoleName") if role is None else role.arn
        elif "PolicyArn" in request:
            yield request["PolicyArn"]
        elif "PolicyName" in request:
            yield _iam_arn(context, "policy", request, "PolicyName")
        elif "PolicySourceArn" in request:
            yield request["PolicySourceArn"]


def _nothing(_context: RequestContext, _request: Request) -> Iterable[str]:
    return ()


def _iam_arn(context: RequestContext, kind: str, request: Request, member: str) -> str:
    path = request.get("Path", "/")
    return f"arn:{context.partition}:iam::{context.account}:{kind}{path}{request[member]}"


def _sagemaker_resources(context: RequestContext, request: Request) -> Iterator[str]:
    for member, kind in _KINDS.items():
        if member in request:
            # As the resource's own ARN has it: in lower case.
            name = request[member].lower()
            yield f"arn:{context.partition}:sagemaker:{context.region}:{context.account}:{kind}/{name}"
    if "ResourceArn" in request:
        yield request["ResourceArn"]


def _passed_roles(request: Request, service: str) -> Iterator[Permission]:
    # Of a rule of EventBridge, or a tuning job: each may have a role.
    inner = [*request.get("Targets", ()), *request.get("TrainingJobDefinitions", ())]
    inner.append(request.get("TrainingJobDefinition"))
    for part in (request, *(one for one in inner if isinstance(one, dict))):
        for member in _PASSED_ROLES:
            if member in part:
                yield Permission("iam:PassRole", part[member], {"iam:passedtoservice": (service,)})


def _scalable_targets(_context: RequestContext, request: Request) -> Iterator[str]:
    # The ARN of a target holds an id of its own, which most requests do not give.
    if "ResourceARN" in request:
        yield request["ResourceARN"]


def _repositories(context: RequestContext, request: Request) -> Iterator[str]:
    if "resourceArn" in request:
        yield request["resourceArn"]
    account = request.get("registryId", context.account)
    names = [request["repositoryName"]] if "repositoryName" in request else request.get("repositoryNames", ())
    for name in names:
        yield f"arn:{context.partition}:ecr:{context.region}:{account}:repository/{name}"


def _alarms(context: RequestContext, request: Request) -> Iterator[str]:
    if "ResourceARN" in request:
        yield request["ResourceARN"]
    names = request.get("AlarmNames", [])
    for name in [request["AlarmName"]] if "AlarmName" in request else names:
        yield f"arn:{context.partition}:cloudwatch:{context.region}:{context.account}:alarm:{name}"


def _log_groups(context: RequestContext, request: Request) -> Iterator[str]:
    if "resourceArn" in request:
        yield request["resourceArn"]
    elif "logGroupName" in request:
        group = f"log-group:{request['logGroupName']}"
        stream = f":log-stream:{request['logStreamName']}" if "logStreamName" in request else ""
        yield f"arn:{context.partition}:logs:{context.region}:{context.account}:{group}{stream}"


def _assumed_role(_context: RequestContext, request: Request) -> Iterator[str]:
    if "RoleArn" in request:
        yield request["RoleArn"]
