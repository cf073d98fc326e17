"""Log streams."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.logs.common import (
    PAGES,
    already_exists,
    find_group,
    find_stream,
    group_arn,
    invalid_parameter,
    milliseconds,
    requested_group,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.log_groups import LogGroup
from wildsage.store.log_pages import StreamOrder
from wildsage.store.logs import LogStream, LogStreams

SEQUENCE_TOKEN = "1"  # noqa: S105 - CloudWatch stopped looking at sequence tokens in 2023; old clients want one


class LogStreamOperations:
    """Operations on log streams."""

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs

    @operation("CreateLogStream")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Make an empty stream."""
        group = find_group(self._logs, context, request["logGroupName"])
        if not await self._logs.create_stream(group, request["logStreamName"], context.clock.now()):
            raise already_exists("log stream")
        return {}

    @operation("DeleteLogStream")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a stream with its events."""
        group = find_group(self._logs, context, request["logGroupName"])
        await self._logs.delete_stream(find_stream(self._logs, group, request["logStreamName"]))
        return {}

    @operation("DescribeLogStreams")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List the streams of a group, by name or by the time of their last event."""
        group = requested_group(self._logs, context, request)
        prefix = request.get("logStreamNamePrefix", "")
        by_time = request.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        limit, position = PAGES.size(request), PAGES.position(request)
        order = StreamOrder(by_time, request.get("descending", False), prefix, position)
        found = self._logs.stream_page(group, order, limit + 1)
        response: Response = {"logStreams": [_show(context, group, stream) for stream in found[:limit]]}
        if len(found) > limit:
            last = found[limit - 1]
            place = [last.last_event_ms or 0, last.name] if by_time else [last.name]
            response["nextToken"] = PAGES.behind(request, place)
        return response


def _show(context: RequestContext, group: LogGroup, stream: LogStream) -> dict[str, Any]:
    ingested = stream.ingested_at
    return {
        "logStreamName": stream.name,
        "creationTime": milliseconds(stream.created_at),
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": None if ingested is None else milliseconds(ingested),
        "uploadSequenceToken": SEQUENCE_TOKEN,
        "arn": f"{group_arn(context, group.name)}:log-stream:{stream.name}",
        # CloudWatch says 0 for every stream since 2019.
        "storedBytes": 0,
    }
