"""What the resources of SageMaker share: ARNs, lists in pages, the texts of missing and taken names."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.operation import Request, Response
from wildsage.services.pages import Pages
from wildsage.services.tag_rules import check_tags
from wildsage.store.resources import Key, Position, Query, Resource, Resources
from wildsage.store.tags import Tag

RequirePassableRole = Callable[[RequestContext, str], Awaitable[None]]
"""Raises `ValidationError` unless the caller may pass the role and SageMaker may assume it."""

_SORT_COLUMNS = {
    "Name": "name",
    "CreationTime": "created_at",
    "LastModifiedTime": "modified_at",
    "Status": "status",
}
LARGEST_TAG_COUNT = 50

PAGES = Pages("NextToken", "MaxResults", 10, 100)
TAG_PAGES = Pages("NextToken", "MaxResults", LARGEST_TAG_COUNT)


def sagemaker_arn(context: RequestContext, kind: str, name: str) -> str:
    """Build a resource's ARN. SageMaker writes names in lower case there."""
    resource = f"{kind}/{name.lower()}"
    return str(Arn(context.partition, "sagemaker", context.region, context.account, resource))


def key_of(context: RequestContext, kind: str, name: str) -> Key:
    """Return the key of a resource in the caller's account and region."""
    return Key(context.account, context.region, kind, name)


def list_page(
    resources: Resources,
    context: RequestContext,
    request: Request,
    *,
    kind: str,
    member: str,
    summarize: Callable[[Resource], dict[str, Any]],
    default_order: str = "Descending",
) -> Response:
    """Answer a List operation with the filters, orders and pages that all of them share.

    Parameters
    ----------
    member
        The response member that holds the page, e.g. ``TrainingJobSummaries``.
    summarize
        Makes one entry of it.
    default_order
        The order where the request has no ``SortOrder``.
    """
    query = Query(
        account=context.account,
        region=context.region,
        kind=kind,
        name_contains=request.get("NameContains"),
        statuses=(request["StatusEquals"],) if "StatusEquals" in request else (),
        created_after=request.get("CreationTimeAfter"),
        created_before=request.get("CreationTimeBefore"),
        modified_after=request.get("LastModifiedTimeAfter"),
        modified_before=request.get("LastModifiedTimeBefore"),
        sort_by=_SORT_COLUMNS[request.get("SortBy", "CreationTime")],
        descending=request.get("SortOrder", default_order) == "Descending",
    )
    limit, token = PAGES.size(request), PAGES.position(request, length=len(query.order) + 1)
    after = None if token is None else Position(tuple(token[:-1]), token[-1])
    found = resources.page(query, after, limit + 1)
    response: Response = {member: [summarize(resource) for resource in found[:limit]]}
    if len(found) > limit:
        behind = Position.of(query, found[limit - 1])
        response["NextToken"] = PAGES.behind(request, [*behind.values, behind.id])
    return response


def require_isolation(*, can_isolate: bool) -> None:
    """Refuse ``EnableNetworkIsolation`` where it would be a promise that this machine cannot keep.

    Raises
    ------
    ValidationError
        With what to install.
    """
    if not can_isolate:
        raise ValidationError(
            "EnableNetworkIsolation is not possible on this machine: it offers no network namespaces."
            " `wildsage doctor` says what is missing; installing bubblewrap is usually enough"
        )


def could_not_find(what: str, arn: str) -> ValidationError:
    """Return the error of a Describe, Update or Delete whose resource is not there."""
    return ValidationError(f'Could not find {what} "{arn}".')


def new_tags(request: Mapping[str, Any]) -> list[Tag]:
    """Return the ``Tags`` of a Create request.

    Raises
    ------
    ValidationError
        If a key is reserved or given twice.
    """
    tags: list[Tag] = request.get("Tags", [])
    check_tags(tags)
    return tags
