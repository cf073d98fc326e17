"""Scalable targets: RegisterScalableTarget, DescribeScalableTargets, DeregisterScalableTarget, their tags.

A target is a variant of an endpoint and the bounds of its number of instances. It goes with its endpoint.
"""

import re
import secrets
from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError, ValidationError
from wildsage.services.application_autoscaling.common import (
    ACTION,
    INSTANCES,
    NAMESPACE,
    PAGES,
    POLICY,
    TARGET,
    Scaled,
    check_capacity,
    object_not_found,
    target_key,
    wanted,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.serving.deployments import ENDPOINT
from wildsage.store.database import Transaction
from wildsage.store.resources import Key, Resource, Resources
from wildsage.store.tags import Tags

_VARIANT = re.compile(r"endpoint/(?P<endpoint>[^/|]+)/variant/(?P<variant>[^/|]+)")
_MOST_TAGS = 50
_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


class ScalableTargets:
    """What may be scaled, and between which bounds."""

    def __init__(self, resources: Resources, tags: Tags) -> None:
        self._resources = resources
        self._tags = tags

    @operation("RegisterScalableTarget")
    async def register(self, context: RequestContext, request: Request) -> Response:
        """Register a variant of an endpoint, or change what is given of a registered one."""
        scaled = Scaled.of(request)
        endpoint, variant = _variant_of(scaled)
        check_tags(request.get("Tags", {}))
        arn = Arn(
            context.partition, "application-autoscaling", context.region, context.account,
            f"{TARGET}/{secrets.token_hex(18)}",
        )  # fmt: skip

        def store(transaction: Transaction) -> str:
            key, at = target_key(context, scaled), context.clock.now()
            _require_variant(transaction, Key(context.account, context.region, ENDPOINT, endpoint), variant)
            present = Resources.fetch(transaction, key)
            body = _body(context, request, scaled, {} if present is None else present.body)
            found = str(arn) if present is None else present.arn
            Tags.put(transaction, found, [{"Key": k, "Value": v} for k, v in request.get("Tags", {}).items()])
            if present is None:
                Resources.insert(transaction, key, arn=found, status="", at=at, body=body)
            else:
                Resources.update(transaction, key, at=at, body=body)
            return found

        return {"ScalableTargetARN": await self._resources.database.write(store)}

    @operation("DescribeScalableTargets")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List targets by resource and dimension."""
        found = wanted(self._resources, context, request, TARGET)
        return PAGES.answer(
            request, "ScalableTargets", found, position=lambda one: one.key.name, show=_summary
        )

    @operation("DeregisterScalableTarget")
    async def deregister(self, context: RequestContext, request: Request) -> Response:
        """Remove a target with its policies and scheduled actions."""
        scaled = Scaled.of(request)

        def store(transaction: Transaction) -> None:
            if Resources.fetch(transaction, target_key(context, scaled)) is None:
                raise object_not_found("scalable target", scaled)
            _remove_below(transaction, context.account, context.region, scaled.name)

        await self._resources.database.write(store)
        return {}

    @operation("DescribeScalingActivities")
    async def activities(self, context: RequestContext, request: Request) -> Response:
        """List what was scaled: nothing, as long as nothing acts on policies."""
        wanted(self._resources, context, request, TARGET)
        return {"ScalingActivities": []}

    @operation("TagResource")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags to a target; a key that exists gets the new value."""
        arn, tags = self._require(context, request), request["Tags"]
        check_tags(tags)
        added = [{"Key": key, "Value": value} for key, value in tags.items()]

        def store(transaction: Transaction) -> None:
            if Tags.count_after(transaction, arn, added) > _MOST_TAGS:
                raise ServiceError(
                    f"{arn} would have more than {_MOST_TAGS} tags. Remove some first",
                    code="TooManyTagsException",
                    status=400,
                    members={"ResourceName": arn},
                )
            Tags.put(transaction, arn, added)

        await self._tags.database.write(store)
        return {}

    @operation("UntagResource")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        arn = self._require(context, request)
        await self._tags.database.write(lambda t: Tags.remove(t, arn, request["TagKeys"]))
        return {}

    @operation("ListTagsForResource")
    async def list_tags(self, context: RequestContext, request: Request) -> Response:
        """Return the tags of a target."""
        tags = self._tags.of(self._require(context, request))
        return {"Tags": {tag["Key"]: tag["Value"] for tag in tags}}

    def _require(self, context: RequestContext, request: Request) -> str:
        arn: str = request["ResourceARN"]
        target = self._resources.get_by_arn(arn)
        if target is None or (target.key.account, target.key.region) != (context.account, context.region):
            raise NotFoundError(
                f"The specified resource doesn't exist: {arn}",
                code="ResourceNotFoundException",
                members={"ResourceName": arn},
            )
        return arn


def deregister_endpoint(transaction: Transaction, endpoint: Key) -> None:
    """Remove the targets of an endpoint that goes away, with their policies and scheduled actions."""
    _remove_below(transaction, endpoint.account, endpoint.region, f"endpoint/{endpoint.name}/variant/")


def _remove_below(transaction: Transaction, account: str, region: str, prefix: str) -> None:
    for kind in (ACTION, POLICY, TARGET):
        for one in Resources.fetch_below(transaction, account, region, kind, prefix):
            Resources.delete(transaction, one.key)
            Tags.remove_all(transaction, one.arn)


def _variant_of(scaled: Scaled) -> tuple[str, str]:
    """Return the endpoint and the variant that are scaled; refuse what there is not here."""
    found = _VARIANT.fullmatch(scaled.resource)
    if scaled.namespace != NAMESPACE or scaled.dimension != INSTANCES or found is None:
        raise ValidationError(
            f"Unsupported service namespace, resource type or scalable dimension: {scaled}. Here variants of"
            f" SageMaker endpoints are scaled: {NAMESPACE}, endpoint/NAME/variant/NAME, {INSTANCES}"
        )
    return found["endpoint"], found["variant"]


def _require_variant(transaction: Transaction, key: Key, variant: str) -> None:
    endpoint = Resources.fetch(transaction, key)
    if endpoint is None or endpoint.status == "Deleting":
        raise ValidationError(f"The endpoint doesn't exist: endpoint/{key.name}. Create it first")
    names = [summary["VariantName"] for summary in endpoint.body["ProductionVariants"]]
    if variant not in names:
        raise ValidationError(
            f"The variant doesn't exist: endpoint/{key.name}/variant/{variant}."
            f" The endpoint has {', '.join(map(repr, names))}"
        )


def _body(
    context: RequestContext, request: Request, scaled: Scaled, present: dict[str, Any]
) -> dict[str, Any]:
    role = (
        f"arn:{context.partition}:iam::{context.account}:role/aws-service-role/sagemaker.application-autoscaling."
        "amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    body = {"RoleARN": role, **present, **scaled.members}
    for member in ("MinCapacity", "MaxCapacity", "RoleARN"):
        if member in request:
            body[member] = request[member]
        elif member not in body:
            raise ValidationError(f"{member} is required to register a new scalable target")
    check_capacity(body["MinCapacity"], body["MaxCapacity"])
    suspended = {**dict.fromkeys(_SUSPENDED, False), **present.get("SuspendedState", {})}
    body["SuspendedState"] = {**suspended, **request.get("SuspendedState", {})}
    return body


def _summary(target: Resource) -> dict[str, Any]:
    return {"ScalableTargetARN": target.arn, "CreationTime": target.created_at, **target.body}
