"""What DescribeEndpoint shows of a deployment."""

from collections.abc import Mapping
from typing import Any

from wildsage.core.next_steps import with_next_step
from wildsage.serving.deployments import Deployment, VariantPlan


def variant_summaries(
    deployment: Deployment, running: Mapping[str, int], at: float, status: str | None = None
) -> list[dict[str, Any]]:
    """Return the entries of ``ProductionVariants``.

    Parameters
    ----------
    running
        Workers in service by variant.
    at
        When the images were resolved, and `status` began.
    status
        ``VariantStatus`` while the deployment is under way.
    """
    return [_summary(variant, running.get(variant.name, 0), at, status) for variant in deployment.variants]


def pending_summary(deployment: Deployment, at: float) -> dict[str, Any]:
    """Return ``PendingDeploymentSummary``: the deployment that is to take over."""
    variants = [
        {**summary, "InstanceType": variant.instance_type}
        for summary, variant in zip(
            variant_summaries(deployment, {}, at, "Creating"), deployment.variants, strict=True
        )
    ]
    return {"EndpointConfigName": deployment.config_name, "ProductionVariants": variants, "StartTime": at}


def _summary(variant: VariantPlan, running: int, at: float, status: str | None) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "VariantName": variant.name,
        "DeployedImages": [
            {
                "SpecifiedImage": variant.container["Image"],
                "ResolvedImage": variant.container["Image"],
                "ResolutionTime": at,
            }
        ],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": running,
        "DesiredInstanceCount": variant.count,
    }
    if status is not None:
        summary["VariantStatus"] = [{"Status": status, "StartTime": at}]
    return summary


def failure_reason(endpoint: str, variant: str, kind: str, detail: str) -> str:
    """Return ``FailureReason`` for a variant whose workers do not come up: the cause, and what to do next."""
    if kind == "refused":
        text = f"The primary container for production variant {variant} could not be started. {detail}"
    elif kind == "lost":
        text = f"InternalServerError: a worker of production variant {variant} was lost: {detail}"
    else:
        text = (
            f"The primary container for production variant {variant} did not pass the ping health check."
            f" Please check CloudWatch logs for this endpoint. {detail[:1].upper()}{detail[1:]}"
        )
    return with_next_step(text, endpoint)
