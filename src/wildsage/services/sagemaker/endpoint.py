"""Endpoints: CreateEndpoint, DescribeEndpoint, ListEndpoints, UpdateEndpoint…, DeleteEndpoint.

They are only written down here; `wildsage.serving` makes them true.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.application_autoscaling.target import deregister_endpoint
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import (
    could_not_find,
    key_of,
    list_page,
    new_tags,
    sagemaker_arn,
)
from wildsage.services.sagemaker.endpoint_plan import (
    EndpointPlanner,
    check_deployment_config,
    retain_properties,
)
from wildsage.serving.deployments import ENDPOINT, Deployment, Deployments
from wildsage.serving.description import pending_summary, variant_summaries
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Body, Resource, Resources

_UPDATABLE = ("InService", "Failed", "UpdateRollbackFailed")


class Endpoints:
    """Endpoints: wanted here, carried by `wildsage.serving.reconciler`."""

    def __init__(self, resources: Resources, planner: EndpointPlanner) -> None:
        self._resources = resources
        self._planner = planner

    @operation("CreateEndpoint")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Check that the configuration can run, store the endpoint, and wake the reconciler."""
        check_deployment_config(request.get("DeploymentConfig", {}))
        name = request["EndpointName"]
        deployment = await self._planner.plan(context, name, request["EndpointConfigName"], generation=1)
        arn = sagemaker_arn(context, ENDPOINT, name)
        at = context.clock.now()
        body: Body = {
            "EndpointConfigName": deployment.config_name,
            "ProductionVariants": variant_summaries(deployment, {}, at, "Creating"),
        }
        if "DeploymentConfig" in request:
            body["LastDeploymentConfig"] = request["DeploymentConfig"]
        key, tags = deployment.endpoint, new_tags(request)

        def store(transaction: Transaction) -> None:
            Resources.insert(transaction, key, arn=arn, status="Creating", at=at, body=body, tags=tags)
            Deployments.put(transaction, deployment)
            transaction.notify(ENDPOINT)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError:
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".') from None
        return {"EndpointArn": arn}

    @operation("DescribeEndpoint")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return an endpoint as it is now."""
        endpoint = self._find(context, request["EndpointName"])
        return {
            "EndpointName": endpoint.key.name,
            "EndpointArn": endpoint.arn,
            "EndpointStatus": endpoint.status,
            "CreationTime": endpoint.created_at,
            "LastModifiedTime": endpoint.modified_at,
            **endpoint.body,
        }

    @operation("ListEndpoints")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """Return a page of summaries."""
        return list_page(
            self._resources, context, request, kind=ENDPOINT, member="Endpoints", summarize=_summary
        )

    @operation("UpdateEndpoint")
    async def update(self, context: RequestContext, request: Request) -> Response:
        """Deploy another configuration beside the one in service; it takes over when it is healthy."""
        name = request["EndpointName"]
        endpoint = self._find(context, name)
        check_deployment_config(request.get("DeploymentConfig", {}))
        planned = await self._planner.plan(context, name, request["EndpointConfigName"], generation=0)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = _updatable(Resources.fetch(transaction, endpoint.key), endpoint, _UPDATABLE)
            present = Deployments.fetch(transaction, endpoint.key)
            deployment = replace(planned, generation=present[-1].generation + 1)
            if request.get("RetainAllVariantProperties"):
                excluded = [
                    item["VariantPropertyType"]
                    for item in request.get("ExcludeRetainedVariantProperties", [])
                ]
                deployment = retain_properties(deployment, present[-1].variants, excluded)
            if current.status == "Failed":
                # Nothing serves: there is nothing to keep, and nothing to go back to.
                Deployments.remove_all(transaction, endpoint.key)
            Deployments.put(transaction, deployment)
            body = _updating(current, request, deployment, at)
            Resources.transition(transaction, endpoint.key, to="Updating", at=at, body=body)
            transaction.notify(ENDPOINT)

        await self._resources.database.write(store)
        return {"EndpointArn": endpoint.arn}

    @operation("UpdateEndpointWeightsAndCapacities")
    async def resize(self, context: RequestContext, request: Request) -> Response:
        """Change the number of instances and the traffic weights of variants in service."""
        endpoint = self._find(context, request["EndpointName"])
        wanted = {item["VariantName"]: item for item in request["DesiredWeightsAndCapacities"]}
        for item in wanted.values():
            _check_size(item)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = _updatable(Resources.fetch(transaction, endpoint.key), endpoint, ("InService",))
            deployment = _resized(Deployments.fetch(transaction, endpoint.key)[-1], wanted)
            Deployments.put(transaction, deployment)
            body = {
                **current.body,
                "ProductionVariants": [
                    _desired(summary, wanted) for summary in current.body["ProductionVariants"]
                ],
            }
            Resources.transition(transaction, endpoint.key, to="Updating", at=at, body=body)
            transaction.notify(ENDPOINT)

        await self._resources.database.write(store)
        return {"EndpointArn": endpoint.arn}

    @operation("DeleteEndpoint")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Begin to take the endpoint away. It is described as Deleting until its last worker has stopped.

        AWS refuses this while an endpoint is Creating or Updating; here nothing is in the way of it.
        """
        endpoint = self._find(context, request["EndpointName"])
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            if Resources.fetch(transaction, endpoint.key) is not None:
                Resources.transition(transaction, endpoint.key, to="Deleting", at=at)
                deregister_endpoint(transaction, endpoint.key)
                transaction.notify(ENDPOINT)

        await self._resources.database.write(store)
        return {}

    def _find(self, context: RequestContext, name: str) -> Resource:
        endpoint = self._resources.get(key_of(context, ENDPOINT, name))
        if endpoint is None:
            raise could_not_find(ENDPOINT, sagemaker_arn(context, ENDPOINT, name))
        return endpoint


def _updatable(current: Resource | None, endpoint: Resource, statuses: tuple[str, ...]) -> Resource:
    if current is None:
        raise could_not_find(ENDPOINT, endpoint.arn)
    if current.status not in statuses:
        raise ValidationError(
            f'Cannot update in-progress endpoint "{endpoint.arn}".'
            f" It is {current.status}; it can be updated while it is {' or '.join(statuses)}"
        )
    return current


def _updating(current: Resource, request: Request, deployment: Deployment, at: float) -> Body:
    """Return the body of an endpoint whose update begins."""
    body = {name: value for name, value in current.body.items() if name != "FailureReason"}
    if "DeploymentConfig" in request:
        body["LastDeploymentConfig"] = request["DeploymentConfig"]
    elif not request.get("RetainDeploymentConfig"):
        body.pop("LastDeploymentConfig", None)
    if current.status == "Failed":
        body["EndpointConfigName"] = deployment.config_name
        body["ProductionVariants"] = variant_summaries(deployment, {}, at, "Creating")
    else:
        body["PendingDeploymentSummary"] = pending_summary(deployment, at)
    return body


def _check_size(item: Mapping[str, Any]) -> None:
    name = item["VariantName"]
    if item.get("DesiredInstanceCount", 1) < 1:
        raise ValidationError(
            f"DesiredInstanceCount of variant {name!r} is {item['DesiredInstanceCount']}:"
            " a variant in service needs at least 1 instance. Delete the endpoint to stop it"
        )


def _resized(deployment: Deployment, wanted: Mapping[str, Mapping[str, Any]]) -> Deployment:
    names = [plan.name for plan in deployment.variants]
    for name in wanted:
        if name not in names:
            raise ValidationError(
                f"Could not find variant {name!r}: the endpoint has {', '.join(map(repr, names))}"
            )
    return deployment.with_variants(
        replace(
            plan,
            count=wanted.get(plan.name, {}).get("DesiredInstanceCount", plan.count),
            weight=wanted.get(plan.name, {}).get("DesiredWeight", plan.weight),
        )
        for plan in deployment.variants
    )


def _desired(summary: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    item = wanted.get(summary["VariantName"], {})
    changes = {name: item[name] for name in ("DesiredWeight", "DesiredInstanceCount") if name in item}
    return {**summary, **changes}


def _summary(endpoint: Resource) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.key.name,
        "EndpointArn": endpoint.arn,
        "CreationTime": endpoint.created_at,
        "LastModifiedTime": endpoint.modified_at,
        "EndpointStatus": endpoint.status,
    }
