"""CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.instance_types import capacity_of
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import (
    RequirePassableRole,
    could_not_find,
    key_of,
    list_page,
    new_tags,
    sagemaker_arn,
)
from wildsage.services.sagemaker.model import find_model
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Resource, Resources
from wildsage.store.tags import Tags

ENDPOINT_CONFIG = "endpoint-config"
_NOT_STORED = ("EndpointConfigName", "Tags")


class EndpointConfigs:
    """Endpoint configurations: immutable records, also of what CreateEndpoint cannot run yet."""

    def __init__(self, resources: Resources, require_passable_role: RequirePassableRole) -> None:
        self._resources = resources
        self._require_passable_role = require_passable_role

    @operation("CreateEndpointConfig")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check the variants and store the configuration."""
        variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", [])]
        _check_names(variants)
        for variant in variants:
            _check_capacity(variant)
            if "ModelName" in variant:
                find_model(self._resources, context, variant["ModelName"])
        if "ExecutionRoleArn" in request:
            await self._require_passable_role(context, request["ExecutionRoleArn"])
        arn = sagemaker_arn(context, ENDPOINT_CONFIG, request["EndpointConfigName"])
        body = {name: value for name, value in request.items() if name not in _NOT_STORED}
        for member in ("ProductionVariants", "ShadowProductionVariants"):
            if member in body:
                body[member] = [{"InitialVariantWeight": 1.0, **variant} for variant in body[member]]
        body.setdefault("EnableNetworkIsolation", False)
        tags = new_tags(request)

        def store(transaction: Transaction) -> None:
            key = key_of(context, ENDPOINT_CONFIG, request["EndpointConfigName"])
            at = context.clock.now()
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body, tags=tags)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError:
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".') from None
        return {"EndpointConfigArn": arn}

    @operation("DescribeEndpointConfig")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return what the configuration was created with."""
        config = find_endpoint_config(self._resources, context, request["EndpointConfigName"])
        return {
            "EndpointConfigName": config.key.name,
            "EndpointConfigArn": config.arn,
            "CreationTime": config.created_at,
            **config.body,
        }

    @operation("ListEndpointConfigs")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return list_page(
            self._resources,
            context,
            request,
            kind=ENDPOINT_CONFIG,
            member="EndpointConfigs",
            summarize=_summary,
        )

    @operation("DeleteEndpointConfig")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a configuration. Endpoints that were made of it have a copy of all they need."""
        config = find_endpoint_config(self._resources, context, request["EndpointConfigName"])
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            Resources.delete(transaction, config.key, at=at)
            Tags.remove_all(transaction, config.arn)

        await self._resources.database.write(store)
        return {}


def find_endpoint_config(resources: Resources, context: RequestContext, name: str) -> Resource:
    """Return a configuration of the caller's.

    Raises
    ------
    ValidationError
        If there is none of this name.
    """
    config = resources.get(key_of(context, ENDPOINT_CONFIG, name))
    if config is None:
        raise could_not_find("endpoint configuration", sagemaker_arn(context, ENDPOINT_CONFIG, name))
    return config


def _check_names(variants: list[dict[str, Any]]) -> None:
    names = [variant["VariantName"] for variant in variants]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f"Duplicate variant name: {name!r}. Give each variant its own name")


def _check_capacity(variant: dict[str, Any]) -> None:
    """A variant runs on instances, on pools of them, or serverless."""
    name = variant["VariantName"]
    if "ServerlessConfig" in variant:
        if "InstanceType" in variant or "InitialInstanceCount" in variant:
            raise ValidationError(
                f"Variant {name!r} has both ServerlessConfig and InstanceType or InitialInstanceCount:"
                " a serverless variant has no instances"
            )
        return
    if "InstancePools" in variant:
        return
    for member in ("InstanceType", "InitialInstanceCount"):
        if member not in variant:
            raise ValidationError(f"Variant {name!r} needs {member}, or a ServerlessConfig")
    try:
        capacity_of(variant["InstanceType"])
    except ValueError as error:
        raise ValidationError(f"InstanceType of variant {name!r}: {error}") from None


def _summary(config: Resource) -> dict[str, Any]:
    return {
        "EndpointConfigName": config.key.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created_at,
    }
