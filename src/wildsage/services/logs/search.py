"""FilterLogEvents: search the streams of a group together."""

import asyncio
import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.formats.logframes import Frame
from wildsage.services.logs.common import (
    find_stream,
    invalid_parameter,
    read_token,
    requested_group,
    write_token,
)
from wildsage.services.logs.events import Wanted, between
from wildsage.services.logs.pattern import FilterPattern
from wildsage.services.operation import Request, Response, operation
from wildsage.store.log_groups import LogGroup
from wildsage.store.logs import LARGEST_PAGE_BYTES, LARGEST_PAGE_EVENTS, LogStream, LogStreams

_READ_AHEAD = 200
_MOST_SCANNED = 200_000
"""Events that one request looks at: a rare term in a long log is found in several pages."""


class LogSearch:
    """Search over several streams."""

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs

    @operation("FilterLogEvents")
    async def filter(self, context: RequestContext, request: Request) -> Response:
        """Return matching events of all streams together, oldest first.

        A page with events always has a token, even where nothing is left: clients that follow an endpoint
        show only such pages, and go on from the last token in their next poll.
        """
        group = requested_group(self._logs, context, request)
        if not request.get("startFromHead", True):
            raise invalid_parameter(
                "startFromHead = false is not supported by Wildsage here: use GetLogEvents for the latest events"
            )
        streams = self._streams(group, request)
        token = read_token(request)
        positions: dict[str, int] = {} if token is None else dict(token[0])
        wanted = _wanted(request)
        limit = request.get("limit", LARGEST_PAGE_EVENTS)
        start = request.get("startTime", 0)
        events, finished = await asyncio.to_thread(self._search, streams, positions, wanted, limit, start)
        response: Response = {"events": events, "searchedLogStreams": []}
        if events or not finished:
            response["nextToken"] = write_token(request, [positions])
        return response

    def _streams(self, group: LogGroup, request: Request) -> list[LogStream]:
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
        if names and prefix:
            raise invalid_parameter(
                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
            )
        if names:
            return [find_stream(self._logs, group, name) for name in dict.fromkeys(names)]
        return self._logs.streams(group, prefix)

    def _search(
        self,
        streams: list[LogStream],
        positions: dict[str, int],
        wanted: Wanted,
        limit: int,
        start_ms: int,
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return the next events, and whether all streams were read to their ends; moves `positions` on."""
        by_name = {stream.name: stream for stream in streams}
        heads = [self._frames(stream, positions, start_ms) for stream in streams]
        events: list[dict[str, Any]] = []
        size = 0
        for scanned, (_, name, _, frame) in enumerate(heapq.merge(*heads), 1):
            if wanted(frame):
                size += frame.end - frame.start
                if events and size > LARGEST_PAGE_BYTES:
                    return events, False
                events.append(_show(by_name[name], frame))
            positions[name] = frame.end
            if len(events) == limit or scanned == _MOST_SCANNED:
                return events, False
        return events, True

    def _frames(
        self, stream: LogStream, positions: Mapping[str, int], start_ms: int
    ) -> Iterator[tuple[int, str, int, Frame]]:
        position = positions.get(stream.name)
        if position is None:
            position = self._logs.position_at(stream, start_ms)
        while frames := self._logs.read_forward(stream, position, _READ_AHEAD):
            for frame in frames:
                yield frame.timestamp_ms, stream.name, frame.start, frame
            position = frames[-1].end


def _wanted(request: Request) -> Wanted:
    try:
        matches = FilterPattern.parse(request.get("filterPattern", "")).matcher()
    except ValueError as error:
        raise invalid_parameter(str(error)) from None
    in_time = between(request.get("startTime"), request.get("endTime"))
    return lambda frame: in_time(frame) and matches(frame.message)


def _show(stream: LogStream, frame: Frame) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": frame.timestamp_ms,
        "message": frame.message,
        "ingestionTime": frame.timestamp_ms,
        "eventId": f"{frame.timestamp_ms:014d}{stream.id:08d}{frame.start:014d}",
    }
