"""Scaling policies: PutScalingPolicy, DescribeScalingPolicies, DeleteScalingPolicy.

They are records: no alarm is made for them, and nothing scales.
"""

import itertools
import math
import uuid
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.application_autoscaling.common import (
    PAGES,
    POLICY,
    Scaled,
    autoscaling_arn,
    object_not_found,
    part_key,
    require_target,
    wanted,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource, Resources

_CONFIGURATION = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}
_METRICS = ("PredefinedMetricSpecification", "CustomizedMetricSpecification")


class ScalingPolicies:
    """By what a target is to be scaled."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("PutScalingPolicy")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Make a policy of a registered target, or replace what it says."""
        scaled, name = Scaled.of(request), request["PolicyName"]

        def store(transaction: Transaction) -> str:
            require_target(transaction, context, scaled)
            key, at = part_key(context, POLICY, scaled, name), context.clock.now()
            present = Resources.fetch(transaction, key)
            body = {"PolicyName": name, **scaled.members, **_checked(request, present)}
            if present is not None:
                Resources.update(transaction, key, at=at, body=body)
                return present.arn
            resource = f"resource/{scaled.namespace}/{scaled.resource}:policyName/{name}"
            arn = autoscaling_arn(context, f"scalingPolicy:{uuid.uuid4()}:{resource}")
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)
            return arn

        return {"PolicyARN": await self._resources.database.write(store), "Alarms": []}

    @operation("DescribeScalingPolicies")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List policies by target and name."""
        names = request.get("PolicyNames")
        found = [
            policy
            for policy in wanted(self._resources, context, request, POLICY)
            if not names or policy.body["PolicyName"] in names
        ]
        return PAGES.answer(
            request, "ScalingPolicies", found, position=lambda one: one.key.name, show=_summary
        )

    @operation("DeleteScalingPolicy")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a policy."""
        scaled, name = Scaled.of(request), request["PolicyName"]
        key = part_key(context, POLICY, scaled, name)

        def store(transaction: Transaction) -> None:
            if Resources.fetch(transaction, key) is None:
                raise object_not_found("scaling policy", scaled, name)
            Resources.delete(transaction, key)

        await self._resources.database.write(store)
        return {}


def _checked(request: Request, present: Resource | None) -> dict[str, Any]:
    """Return type and configuration of a policy."""
    kind = request.get("PolicyType") or (present.body["PolicyType"] if present is not None else "")
    if kind not in _CONFIGURATION:
        raise ValidationError(
            f"PolicyType {kind!r} is none of {', '.join(_CONFIGURATION)}: give one of them to make a policy"
        )
    if present is not None and present.body["PolicyType"] != kind:
        raise ValidationError(
            f"The policy {present.body['PolicyName']!r} is a {present.body['PolicyType']}: a policy keeps its"
            " type. Delete it first"
        )
    member = _CONFIGURATION[kind]
    other = next((one for one in _CONFIGURATION.values() if one != member and one in request), None)
    if other is not None:
        raise ValidationError(f"A {kind} policy has no {other}: leave it out")
    if member not in request:
        raise ValidationError(f"A {kind} policy needs {member}")
    configuration = request[member]
    if kind == "StepScaling":
        _check_steps(configuration)
    else:
        _check_tracking(configuration)
    return {"PolicyType": kind, member: configuration}


def _check_tracking(configuration: dict[str, Any]) -> None:
    given = [member for member in _METRICS if member in configuration]
    if len(given) != 1:
        raise ValidationError(
            f"A target tracking policy needs one of {' and '.join(_METRICS)}; it has {' and '.join(given) or 'none'}"
        )
    predefined = configuration.get(_METRICS[0], {}).get("PredefinedMetricType", "SageMaker")
    if not predefined.startswith("SageMaker"):
        raise ValidationError(
            f"PredefinedMetricType {predefined} is not of the service namespace sagemaker:"
            " SageMakerVariantInvocationsPerInstance is"
        )
    value = configuration["TargetValue"]
    if not (math.isfinite(value) and value > 0):
        raise ValidationError(f"TargetValue {value} is not a number above 0")


def _check_steps(configuration: dict[str, Any]) -> None:
    if "AdjustmentType" not in configuration or not configuration.get("StepAdjustments"):
        raise ValidationError(
            "A step scaling policy needs AdjustmentType and at least one of StepAdjustments"
        )
    intervals = sorted(
        (step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf))
        for step in configuration["StepAdjustments"]
    )
    for low, high in intervals:
        if not low < high:
            raise ValidationError(f"The lower bound of a step, {low}, is not below its upper bound, {high}")
    for (_, high), (low, _) in itertools.pairwise(intervals):
        if high != low:
            raise ValidationError(
                f"The intervals of StepAdjustments overlap or have a gap: one ends at {high}, the next begins at {low}"
            )


def _summary(policy: Resource) -> dict[str, Any]:
    return {"PolicyARN": policy.arn, "CreationTime": policy.created_at, "Alarms": [], **policy.body}
