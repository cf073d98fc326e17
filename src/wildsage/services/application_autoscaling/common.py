"""What the resources of Application Auto Scaling share: kinds, identities, errors, pages."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.services.operation import Request
from wildsage.services.pages import Pages
from wildsage.store.database import Transaction
from wildsage.store.resources import Key, Resource, Resources

TARGET = "scalable-target"
POLICY = "scaling-policy"
ACTION = "scheduled-action"
"""Kinds of resources. A target's name is ``RESOURCE|DIMENSION``; a policy and an action have theirs behind it."""

NAMESPACE = "sagemaker"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"

_invalid_token = partial(ValidationError, code="InvalidNextTokenException")

PAGES = Pages("NextToken", "MaxResults", 50, error=_invalid_token)


@dataclass(frozen=True, slots=True)
class Scaled:
    """What is scaled: a dimension of a resource of a service."""

    namespace: str
    resource: str
    dimension: str

    @classmethod
    def of(cls, request: Request) -> "Scaled":
        """Read it off a request."""
        return cls(request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"])

    @property
    def name(self) -> str:
        """The name of its scalable target."""
        return f"{self.resource}|{self.dimension}"

    @property
    def members(self) -> dict[str, Any]:
        """The members of every answer that is about it."""
        return {
            "ServiceNamespace": self.namespace,
            "ResourceId": self.resource,
            "ScalableDimension": self.dimension,
        }

    def __str__(self) -> str:
        return (
            f"service namespace: {self.namespace}, resource ID: {self.resource},"
            f" scalable dimension: {self.dimension}"
        )


def target_key(context: RequestContext, scaled: Scaled) -> Key:
    """Return the key of a scalable target."""
    return Key(context.account, context.region, TARGET, scaled.name)


def part_key(context: RequestContext, kind: str, scaled: Scaled, name: str) -> Key:
    """Return the key of a policy or a scheduled action of a target."""
    return Key(context.account, context.region, kind, f"{scaled.name}|{name}")


def autoscaling_arn(context: RequestContext, resource: str) -> str:
    """Build the ARN of a policy or a scheduled action; they are of the service ``autoscaling``."""
    return str(Arn(context.partition, "autoscaling", context.region, context.account, resource))


def object_not_found(what: str, scaled: Scaled, name: str = "") -> NotFoundError:
    """Return the error of a target, a policy or an action that is not there."""
    named = f", name: {name}" if name else ""
    return NotFoundError(
        f"No {what} found for {scaled}{named}" if name else f"No {what} registered for {scaled}",
        code="ObjectNotFoundException",
    )


def require_target(transaction: Transaction, context: RequestContext, scaled: Scaled) -> Resource:
    """Return the scalable target of a policy or an action that is put.

    Raises
    ------
    NotFoundError
        If it is not registered.
    """
    target = Resources.fetch(transaction, target_key(context, scaled))
    if target is None:
        raise object_not_found("scalable target", scaled)
    return target


def wanted(resources: Resources, context: RequestContext, request: Request, kind: str) -> list[Resource]:
    """Return the resources of a kind that a Describe operation asks for.

    Raises
    ------
    ValidationError
        If the request names a dimension and no resource.
    """
    if request["ServiceNamespace"] != NAMESPACE:
        return []
    ids = request.get("ResourceIds") or ([request["ResourceId"]] if "ResourceId" in request else [])
    dimension = request.get("ScalableDimension")
    if dimension and not ids:
        raise ValidationError("If you specify a scalable dimension, you must also specify a resource ID.")
    found = resources.below(context.account, context.region, kind)
    return [
        one
        for one in found
        if (not ids or one.body["ResourceId"] in ids)
        and (not dimension or one.body["ScalableDimension"] == dimension)
    ]


def check_capacity(minimum: int | None, maximum: int | None) -> None:
    """Refuse bounds that no number can be between.

    Raises
    ------
    ValidationError
        Naming the bound.
    """
    for name, value in (("Minimum", minimum), ("Maximum", maximum)):
        if value is not None and value < 0:
            raise ValidationError(f"{name} capacity must be greater than or equal to 0; it is {value}")
    if minimum is not None and maximum is not None and maximum < minimum:
        raise ValidationError(
            f"Maximum capacity cannot be less than minimum capacity ({maximum} is less than {minimum})"
        )
