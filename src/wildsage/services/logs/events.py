"""Put, read and search log events."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.formats.logframes import LARGEST_MESSAGE, Frame
from wildsage.services.logs.common import (
    find_group,
    find_stream,
    invalid_parameter,
    milliseconds,
    requested_group,
    stream_not_found,
)
from wildsage.services.logs.streams import SEQUENCE_TOKEN
from wildsage.services.operation import Request, Response, operation
from wildsage.store.log_retention import oldest_kept
from wildsage.store.logs import (
    LARGEST_PAGE_BYTES,
    LARGEST_PAGE_EVENTS,
    LogStream,
    LogStreams,
    StreamNotFoundError,
)

_EVENT_OVERHEAD = 26
_LARGEST_BATCH = 1_048_576
_HOUR_MS = 3_600_000
_NEWEST_AHEAD_MS = 2 * _HOUR_MS
_OLDEST_BEHIND_MS = 14 * 24 * _HOUR_MS
_LONGEST_BATCH_MS = 24 * _HOUR_MS
_READ_AHEAD = 1_000
_TOKEN = re.compile(r"(?P<direction>[fb])/(?P<position>\d{1,18})")

Wanted = Callable[[Frame], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the order of the stream, and the positions before the first and behind the last."""

    frames: Sequence[Frame]
    start: int
    end: int


class LogEvents:
    """Operations on the events of one stream."""

    def __init__(self, logs: LogStreams) -> None:
        self._logs = logs

    @operation("PutLogEvents")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Append events; those that are too old or too new are left out, and the answer says which."""
        group = find_group(self._logs, context, request["logGroupName"])
        stream = find_stream(self._logs, group, request["logStreamName"])
        events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
        _check_batch(events)
        accepted, rejected = _within_time(events, group.retention_days, context.clock.now())
        if accepted:
            try:
                await self._logs.append(stream, accepted, context.clock.now())
            except StreamNotFoundError:
                raise stream_not_found() from None
        return {"nextSequenceToken": SEQUENCE_TOKEN, "rejectedLogEventsInfo": rejected or None}

    @operation("GetLogEvents")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Read a page of one stream. Both tokens are always there; at an end they stay what they were."""
        group = requested_group(self._logs, context, request)
        stream = find_stream(self._logs, group, request["logStreamName"])
        kept_ms = oldest_kept(group.retention_days, context.clock.now())
        page = await asyncio.to_thread(self._read, stream, request, kept_ms)
        return {
            "events": [_show(frame) for frame in page.frames],
            "nextForwardToken": f"f/{page.end}",
            "nextBackwardToken": f"b/{page.start}",
        }

    def _read(self, stream: LogStream, request: Request, kept_ms: int) -> Page:
        limit = request.get("limit", LARGEST_PAGE_EVENTS)
        start_ms = max(request.get("startTime", 0), kept_ms)
        wanted = between(start_ms, request.get("endTime"))
        token = request.get("nextToken")
        if token is None:
            if not request.get("startFromHead", False):
                return _backward(self._logs, stream, None, limit, wanted)
            start = self._logs.position_at(stream, start_ms)
            return _forward(self._logs, stream, start, limit, wanted)
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise invalid_parameter(
                "The specified nextToken is invalid: pass a nextForwardToken or nextBackwardToken of this stream"
            )
        read = _forward if found["direction"] == "f" else _backward
        return read(self._logs, stream, int(found["position"]), limit, wanted)


def between(start_ms: int, end_ms: int | None) -> Wanted:
    """Return the test whether an event lies in a time range: `start_ms` is part of it, `end_ms` is not."""
    if end_ms is None:
        return lambda frame: frame.timestamp_ms >= start_ms
    return lambda frame: start_ms <= frame.timestamp_ms < end_ms


def ingestion_ms(frame: Frame) -> int:
    """Return when an event came in; lines of jobs are taken in the moment they are written."""
    return frame.timestamp_ms if frame.ingested_ms is None else frame.ingested_ms


def _forward(logs: LogStreams, stream: LogStream, position: int, limit: int, wanted: Wanted) -> Page:
    found: list[Frame] = []
    start, size = position, 0
    while len(found) < limit:
        frames = logs.read_forward(stream, position, _READ_AHEAD)
        if not frames:
            break
        for frame in frames:
            if wanted(frame):
                size += frame.end - frame.start
                if len(found) == limit or (found and size > LARGEST_PAGE_BYTES):
                    return Page(found, found[0].start, position)
                found.append(frame)
            position = frame.end
    return Page(found, found[0].start if found else start, position)


def _backward(logs: LogStreams, stream: LogStream, position: int | None, limit: int, wanted: Wanted) -> Page:
    found: list[Frame] = []
    end, size = position, 0
    while len(found) < limit:
        frames = logs.read_backward(stream, position, _READ_AHEAD)
        if not frames:
            break
        end = frames[-1].end if end is None else end
        for frame in reversed(frames):
            if wanted(frame):
                size += frame.end - frame.start
                if len(found) == limit or (found and size > LARGEST_PAGE_BYTES):
                    return Page(found[::-1], found[-1].start, found[0].end)
                found.append(frame)
            position = frame.start
    return Page(found[::-1], position or 0, found[0].end if found else end or 0)


def _show(frame: Frame) -> dict[str, Any]:
    return {
        "timestamp": frame.timestamp_ms,
        "message": frame.message,
        "ingestionTime": ingestion_ms(frame),
    }


def _check_batch(events: Sequence[tuple[int, str]]) -> None:
    sizes = [len(message.encode()) for _, message in events]
    if max(sizes) > LARGEST_MESSAGE:
        raise invalid_parameter(
            f"Log event too large: {max(sizes) + _EVENT_OVERHEAD} bytes exceeds limit of"
            f" {LARGEST_MESSAGE + _EVENT_OVERHEAD}"
        )
    total = sum(sizes) + _EVENT_OVERHEAD * len(events)
    if total > _LARGEST_BATCH:
        raise invalid_parameter(f"Upload too large: {total} bytes exceeds limit of {_LARGEST_BATCH}")
    times = [timestamp for timestamp, _ in events]
    if times != sorted(times):
        raise invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > _LONGEST_BATCH_MS:
        raise invalid_parameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _within_time(
    events: Sequence[tuple[int, str]], retention_days: int | None, now: float
) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """Leave out what is too old or too new, and say so as ``rejectedLogEventsInfo``."""
    now_ms, kept_ms = milliseconds(now), oldest_kept(retention_days, now)
    old = sum(timestamp < now_ms - _OLDEST_BEHIND_MS for timestamp, _ in events)
    expired = sum(timestamp < kept_ms for timestamp, _ in events)
    new = sum(timestamp > now_ms + _NEWEST_AHEAD_MS for timestamp, _ in events)
    rejected = {}
    if old:
        rejected["tooOldLogEventEndIndex"] = old
    if expired > old:
        rejected["expiredLogEventEndIndex"] = expired
    if new:
        rejected["tooNewLogEventStartIndex"] = len(events) - new
    return list(events[max(old, expired) : len(events) - new]), rejected
