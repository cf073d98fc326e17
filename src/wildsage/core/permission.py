"""What somebody must be allowed to do before something happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wildsage.core.context import RequestContext
from wildsage.core.policy_conditions import ContextValues


@dataclass(frozen=True, slots=True)
class Permission:
    """An action on a resource.

    Attributes
    ----------
    action
        As IAM names it, e.g. ``s3:GetObject``.
    resource
        An ARN, or ``*`` where the action has no resource.
    values
        Values of condition keys by lower-case name, besides those every request has.
    """

    action: str
    resource: str = "*"
    values: Mapping[str, ContextValues] = field(default_factory=dict)


Authorize = Callable[[RequestContext, Permission], None]
"""Raises `wildsage.core.errors.AccessDeniedError` unless the principal of a context has a permission."""


def object_permission(context: RequestContext, action: str, bucket: str, key: str) -> Permission:
    """Return a permission on a stored object."""
    return Permission(action, f"arn:{context.partition}:s3:::{bucket}/{key}")


def bucket_permission(
    context: RequestContext, action: str, bucket: str, values: Mapping[str, ContextValues] | None = None
) -> Permission:
    """Return a permission on a bucket."""
    return Permission(action, f"arn:{context.partition}:s3:::{bucket}", values or {})
