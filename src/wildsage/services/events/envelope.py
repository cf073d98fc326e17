"""What an event looks like to whoever reads it: AWS's envelope, and the detail of each kind of resource.

Source: "Events that Amazon SageMaker AI sends to Amazon EventBridge" (SageMaker Developer Guide). Times
inside a detail are milliseconds, and the status of an endpoint is written ``IN_SERVICE``.
"""

import re
from collections.abc import Mapping
from typing import Any

from wildsage.core.clock import iso8601
from wildsage.store.events import DEPLOYMENT, Event

_TIME = re.compile(r".*(Time|Timestamp)")
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "processing-job": (
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "ProcessingResources",
        "StoppingCondition",
        "AppSpecification",
        "Environment",
        "NetworkConfig",
        "RoleArn",
        "ExperimentConfig",
        "ExitMessage",
        "FailureReason",
        "ProcessingStartTime",
        "ProcessingEndTime",
    ),
    "training-job": (
        "SecondaryStatus",
        "FailureReason",
        "ModelArtifacts",
        "HyperParameters",
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "VpcConfig",
        "StoppingCondition",
        "TrainingStartTime",
        "TrainingEndTime",
        "SecondaryStatusTransitions",
        "FinalMetricDataList",
    ),
    "hyper-parameter-tuning-job": (
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition",
        "TrainingJobDefinitions",
        "TrainingJobStatusCounters",
        "ObjectiveStatusCounters",
        "WarmStartConfig",
        "HyperParameterTuningEndTime",
        "FailureReason",
    ),
    "endpoint": ("EndpointConfigName", "ProductionVariants", "FailureReason"),
    "endpoint-config": (
        "ProductionVariants",
        "ShadowProductionVariants",
        "DataCaptureConfig",
        "KmsKeyId",
        "AsyncInferenceConfig",
        "ExplainerConfig",
    ),
    "model": ("PrimaryContainer", "Containers", "ExecutionRoleArn", "VpcConfig"),
}
"""Members of a detail that are in the resource's body, beside name, ARN, status, times and tags."""

_PREFIXES: Mapping[str, str] = {
    "processing-job": "ProcessingJob",
    "training-job": "TrainingJob",
    "hyper-parameter-tuning-job": "HyperParameterTuningJob",
    "endpoint": "Endpoint",
    "endpoint-config": "EndpointConfig",
    "model": "Model",
}
_MODIFIED = frozenset({"training-job", "processing-job", "hyper-parameter-tuning-job", "endpoint"})
"""Kinds whose resources change."""


def envelope(event: Event) -> dict[str, Any]:
    """Return an event as its targets get it."""
    subject = event.subject
    return {
        "version": "0",
        "id": event.id,
        "detail-type": event.detail_type,
        "source": event.source,
        "account": event.account,
        "time": iso8601(subject.get("time", event.at))[:19] + "Z",
        "region": event.region,
        "resources": [subject["arn"]] if "arn" in subject else subject["resources"],
        "detail": _detail(event) if "arn" in subject else dict(event.body),
    }


def _detail(event: Event) -> dict[str, Any]:
    kind, status = event.subject["kind"], event.subject["status"]
    prefix = _PREFIXES[kind]
    detail = {f"{prefix}Name": event.subject["name"], f"{prefix}Arn": event.subject["arn"]}
    if kind in _MODIFIED:
        detail[f"{prefix}Status"] = _upper(status) if kind == "endpoint" else status
    for member in (
        *_MEMBERS[kind],
        *(["PendingDeploymentSummary"] if event.detail_type == DEPLOYMENT else []),
    ):
        if member in event.body:
            detail[member] = event.body[member]
    detail["CreationTime"] = event.subject["created_at"]
    if kind in _MODIFIED:
        detail["LastModifiedTime"] = event.at
    detail["Tags"] = event.subject["tags"]
    return {name: _in_milliseconds(name, value) for name, value in detail.items()}


def _upper(status: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _in_milliseconds(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _in_milliseconds(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_in_milliseconds(name, item) for item in value]
    if isinstance(value, float | int) and not isinstance(value, bool) and _TIME.fullmatch(name):
        return round(value * 1000)
    return value
