"""Log groups, how long they are kept, and their tags."""

from collections.abc import Iterator
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError
from wildsage.services.logs.common import (
    PAGES,
    already_exists,
    find_group,
    group_arn,
    invalid_parameter,
    milliseconds,
    name_of,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.log_groups import LogGroup
from wildsage.store.logs import LogStreams
from wildsage.store.metric_filters import MetricFilters

_CLASS = "STANDARD"
_MOST_TAGS = 50
_READ_AHEAD = 200
_RETENTIONS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731}
    | {1096, 1827, 2192, 2557, 2922, 3288, 3653}
)  # fmt: skip


class LogGroups:
    """Operations on log groups."""

    def __init__(self, logs: LogStreams, filters: MetricFilters) -> None:
        self._logs = logs
        self._filters = filters

    @operation("CreateLogGroup")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Make an empty group."""
        if request.get("logGroupClass", _CLASS) != _CLASS:
            raise invalid_parameter(
                f"logGroupClass {request['logGroupClass']!r} does not exist here: use {_CLASS!r}"
            )
        tags = request.get("tags", {})
        check_tags(tags, invalid_parameter)
        name, at = request["logGroupName"], context.clock.now()
        if not await self._logs.create_group(context.account, context.region, name, at, tags):
            raise already_exists("log group")
        return {}

    @operation("DeleteLogGroup")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a group with all that is in it."""
        await self._logs.delete_group(find_group(self._logs, context, request["logGroupName"]))
        return {}

    @operation("DescribeLogGroups")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List groups by name."""
        prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
        if prefix and pattern:
            raise invalid_parameter(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
            )
        position = PAGES.position(request)
        limit = PAGES.size(request)
        found: list[LogGroup] = []
        for group in self._behind(context, prefix, "" if position is None else position[0]):
            if _is_wanted(context, request, group):
                found.append(group)
            if len(found) > limit:
                break
        response: Response = {"logGroups": [self._show(context, group) for group in found[:limit]]}
        if len(found) > limit:
            response["nextToken"] = PAGES.behind(request, [found[limit - 1].name])
        return response

    def _behind(self, context: RequestContext, prefix: str, after: str) -> Iterator[LogGroup]:
        while groups := self._logs.group_page(context.account, context.region, prefix, after, _READ_AHEAD):
            yield from groups
            after = groups[-1].name

    @operation("PutRetentionPolicy")
    async def put_retention(self, context: RequestContext, request: Request) -> Response:
        """Show events for so many days; older ones go."""
        days = request["retentionInDays"]
        if days not in _RETENTIONS:
            raise invalid_parameter(
                f"retentionInDays {days} is not one of {', '.join(str(n) for n in sorted(_RETENTIONS))}"
            )
        await self._logs.set_retention(find_group(self._logs, context, request["logGroupName"]), days)
        return {}

    @operation("DeleteRetentionPolicy")
    async def delete_retention(self, context: RequestContext, request: Request) -> Response:
        """Keep events for ever, which is the default."""
        await self._logs.set_retention(find_group(self._logs, context, request["logGroupName"]), None)
        return {}

    @operation("TagResource")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags to a group; a key that exists gets the new value."""
        group = self._by_arn(context, request)
        tags = {**group.tags, **request["tags"]}
        check_tags(request["tags"], invalid_parameter)
        if len(tags) > _MOST_TAGS:
            raise ServiceError(
                f"{group.name} would have {len(tags)} tags; the limit is {_MOST_TAGS}",
                code="TooManyTagsException",
                status=400,
                members={"resourceName": request["resourceArn"]},
            )
        await self._logs.set_tags(group, tags)
        return {}

    @operation("UntagResource")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        group = self._by_arn(context, request)
        kept = {key: value for key, value in group.tags.items() if key not in request["tagKeys"]}
        await self._logs.set_tags(group, kept)
        return {}

    @operation("ListTagsForResource")
    async def list_tags(self, context: RequestContext, request: Request) -> Response:
        """Return the tags of a group."""
        return {"tags": self._by_arn(context, request).tags}

    def _by_arn(self, context: RequestContext, request: Request) -> LogGroup:
        arn = request["resourceArn"]
        if not arn.startswith("arn:"):
            raise invalid_parameter(f"resourceArn {arn!r} is no ARN of a log group")
        try:
            return find_group(self._logs, context, name_of(context, arn))
        except NotFoundError:
            raise NotFoundError(
                f"The specified resource does not exist: {arn}", code="ResourceNotFoundException"
            ) from None

    def _show(self, context: RequestContext, group: LogGroup) -> dict[str, Any]:
        arn = group_arn(context, group.name)
        return {
            "logGroupName": group.name,
            "creationTime": milliseconds(group.created_at),
            "retentionInDays": group.retention_days,
            "metricFilterCount": self._filters.count(group),
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "storedBytes": self._logs.stored_bytes(group),
            "logGroupClass": _CLASS,
            "deletionProtectionEnabled": False,
        }


def _is_wanted(context: RequestContext, request: Request, group: LogGroup) -> bool:
    wanted = {name_of(context, identifier) for identifier in request.get("logGroupIdentifiers", [])}
    return (
        request.get("logGroupNamePattern", "").lower() in group.name.lower()
        and (not wanted or group.name in wanted)
        and request.get("logGroupClass", _CLASS) == _CLASS
    )
