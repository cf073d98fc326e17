"""From an endpoint configuration and its models to a deployment; what cannot run yet is refused here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.images.catalogue import ImageCatalogue
from wildsage.services.sagemaker.common import key_of, require_isolation
from wildsage.services.sagemaker.endpoint_config import find_endpoint_config
from wildsage.services.sagemaker.model import ObjectsSeen, check_container, containers_of, find_model
from wildsage.serving.deployments import ENDPOINT, Deployment, VariantPlan
from wildsage.store.resources import Resource, Resources


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """What an endpoint is checked against before anything is stored.

    Attributes
    ----------
    can_isolate
        Whether this machine can run a container without a network.
    """

    images: ImageCatalogue
    objects: ObjectsSeen
    can_isolate: bool


class EndpointPlanner:
    """Makes deployments."""

    def __init__(self, resources: Resources, rules: EndpointRules) -> None:
        self._resources = resources
        self._rules = rules

    async def plan(
        self, context: RequestContext, endpoint_name: str, config_name: str, generation: int
    ) -> Deployment:
        """Return the deployment that a configuration describes.

        Raises
        ------
        ValidationError
            If the configuration or a model is not there, or cannot run here.
        """
        config = find_endpoint_config(self._resources, context, config_name)
        _check_config(config)
        plans = [
            await self._variant(context, config, variant) for variant in config.body["ProductionVariants"]
        ]
        return Deployment(key_of(context, ENDPOINT, endpoint_name), generation, config_name, tuple(plans))

    async def _variant(
        self, context: RequestContext, config: Resource, variant: Mapping[str, Any]
    ) -> VariantPlan:
        _check_variant(variant)
        model = find_model(self._resources, context, variant["ModelName"])
        container = _only_container(model)
        role_arn = model.body.get("ExecutionRoleArn") or config.body.get("ExecutionRoleArn")
        if role_arn is None:
            raise ValidationError(
                f"Neither model {model.key.name!r} nor endpoint configuration {config.key.name!r} has an"
                " ExecutionRoleArn: create the model with the role that may read its data"
            )
        isolated = model.body["EnableNetworkIsolation"] or config.body["EnableNetworkIsolation"]
        if isolated:
            require_isolation(can_isolate=self._rules.can_isolate)
        await check_container(self._rules.images, self._rules.objects, context, container, role_arn)
        return VariantPlan(
            name=variant["VariantName"],
            model_name=model.key.name,
            container=container,
            role_arn=role_arn,
            isolated=isolated,
            instance_type=variant["InstanceType"],
            count=variant["InitialInstanceCount"],
            weight=variant["InitialVariantWeight"],
            startup_timeout=variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
            download_timeout=variant.get("ModelDataDownloadTimeoutInSeconds"),
        )


def retain_properties(
    deployment: Deployment, current: Iterable[VariantPlan], excluded: Collection[str]
) -> Deployment:
    """Give variants that exist already their present size and weight (``RetainAllVariantProperties``)."""
    known = {plan.name: plan for plan in current}
    retained = []
    for plan in deployment.variants:
        old = known.get(plan.name, plan)
        count = plan.count if "DesiredInstanceCount" in excluded else old.count
        weight = plan.weight if "DesiredWeight" in excluded else old.weight
        retained.append(replace(plan, count=count, weight=weight))
    return deployment.with_variants(retained)


def check_deployment_config(config: Mapping[str, Any]) -> None:
    """Refuse to shift traffic step by step, which is not built yet.

    Raises
    ------
    ValidationError
        With the type of routing that there is.
    """
    policy = config.get("BlueGreenUpdatePolicy", {})
    kind = policy.get("TrafficRoutingConfiguration", {}).get("Type", "ALL_AT_ONCE")
    if kind != "ALL_AT_ONCE":
        raise ValidationError(
            f"TrafficRoutingConfiguration.Type {kind} is not implemented yet. Use ALL_AT_ONCE"
        )


def _check_config(config: Resource) -> None:
    body = config.body
    capture = body.get("DataCaptureConfig", {})
    for found, member in (
        (len(body["ProductionVariants"]) > 1, "More than one production variant"),
        ("ShadowProductionVariants" in body, "ShadowProductionVariants"),
        ("AsyncInferenceConfig" in body, "AsyncInferenceConfig"),
        ("ExplainerConfig" in body, "ExplainerConfig"),
        (bool(capture) and capture.get("EnableCapture", True), "DataCaptureConfig with EnableCapture"),
    ):
        if found:
            raise _not_yet(member, f"endpoint configuration {config.key.name!r}")


def _check_variant(variant: Mapping[str, Any]) -> None:
    scaling = variant.get("ManagedInstanceScaling", {})
    strategy = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
    for found, member in (
        ("ServerlessConfig" in variant, "ServerlessConfig"),
        ("InstancePools" in variant, "InstancePools"),
        ("AcceleratorPartitionLayouts" in variant, "AcceleratorPartitionLayouts"),
        (scaling.get("Status") == "ENABLED", "ManagedInstanceScaling"),
        (strategy not in ("RANDOM", "LEAST_OUTSTANDING_REQUESTS"), f"RoutingStrategy {strategy}"),
        ("ModelName" not in variant, "A variant without ModelName (inference components)"),
    ):
        if found:
            raise _not_yet(member, f"variant {variant['VariantName']!r}")


def _only_container(model: Resource) -> Mapping[str, Any]:
    where = f"model {model.key.name!r}"
    containers = containers_of(model.body)
    if len(containers) > 1:
        raise _not_yet("More than one container", where)
    container = containers[0]
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    for found, member in (
        (container.get("Mode") == "MultiModel", "Mode MultiModel"),
        ("AdditionalModelDataSources" in container, "AdditionalModelDataSources"),
        ("ManifestS3Uri" in source, "ManifestS3Uri"),
    ):
        if found:
            raise _not_yet(member, where)
    return container


def _not_yet(member: str, where: str) -> ValidationError:
    return ValidationError(
        f"{member} of {where} cannot run yet: Wildsage serves endpoints with one production variant on"
        " instances, and models with one container"
    )
