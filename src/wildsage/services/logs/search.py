"""FilterLogEvents: search the streams of a group together."""

import asyncio
import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.formats.logframes import Frame
from wildsage.services.logs.common import (
    PAGES,
    find_stream,
    invalid_parameter,
    requested_group,
)
from wildsage.services.logs.events import Wanted, between, ingestion_ms
from wildsage.services.logs.metric_filters import read_pattern
from wildsage.services.operation import Request, Response, operation
from wildsage.store.log_cursors import CursorNotFoundError, LogCursors
from wildsage.store.log_groups import LogGroup
from wildsage.store.log_retention import oldest_kept
from wildsage.store.logs import LARGEST_PAGE_BYTES, LARGEST_PAGE_EVENTS, LogStream, LogStreams

_READ_AHEAD = 200
_MOST_SCANNED = 200_000
"""Events that one request looks at: a rare term in a long log is found in several pages."""


class LogSearch:
    """Search over several streams."""

    def __init__(self, logs: LogStreams, cursors: LogCursors) -> None:
        self._logs = logs
        self._cursors = cursors

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
        start_ms = max(request.get("startTime", 0), oldest_kept(group.retention_days, context.clock.now()))
        streams = self._streams(group, request, start_ms)
        positions = self._positions(request)
        wanted = _wanted(request, start_ms)
        limit = request.get("limit", LARGEST_PAGE_EVENTS)
        events, finished = await asyncio.to_thread(self._search, streams, positions, wanted, limit, start_ms)
        response: Response = {"events": events, "searchedLogStreams": []}
        if events or not finished:
            cursor = await self._cursors.keep(positions, context.clock.now())
            response["nextToken"] = PAGES.behind(request, [cursor])
        return response

    def _positions(self, request: Request) -> dict[int, int]:
        """Return where the search goes on, by id of the stream."""
        token = PAGES.position(request)
        try:
            return {} if token is None else self._cursors.find(token[0])
        except CursorNotFoundError:
            raise invalid_parameter(
                "The specified nextToken has expired: tokens are good for a day. Search again without it"
            ) from None

    def _streams(self, group: LogGroup, request: Request, since_ms: int) -> list[LogStream]:
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix", "")
        if names and prefix:
            raise invalid_parameter(
                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
            )
        if names:
            return [find_stream(self._logs, group, name) for name in dict.fromkeys(names)]
        return self._logs.streams_since(group, prefix, since_ms)

    def _search(
        self,
        streams: list[LogStream],
        positions: dict[int, int],
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
            positions[by_name[name].id] = frame.end
            if len(events) == limit or scanned == _MOST_SCANNED:
                return events, False
        return events, True

    def _frames(
        self, stream: LogStream, positions: Mapping[int, int], start_ms: int
    ) -> Iterator[tuple[int, str, int, Frame]]:
        position = positions.get(stream.id)
        if position is None:
            position = self._logs.position_at(stream, start_ms)
        while frames := self._logs.read_forward(stream, position, _READ_AHEAD):
            for frame in frames:
                yield frame.timestamp_ms, stream.name, frame.start, frame
            position = frames[-1].end


def _wanted(request: Request, start_ms: int) -> Wanted:
    matches = read_pattern(request.get("filterPattern", "")).matches
    in_time = between(start_ms, request.get("endTime"))
    return lambda frame: in_time(frame) and matches(frame.message)


def _show(stream: LogStream, frame: Frame) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": frame.timestamp_ms,
        "message": frame.message,
        "ingestionTime": ingestion_ms(frame),
        "eventId": f"{frame.timestamp_ms:014d}{stream.id:08d}{frame.start:014d}",
    }
