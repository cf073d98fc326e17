"""PutEvents: what clients put on a bus."""

import json
import math
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.services.events.common import bus_key, bus_name
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.events import DEFAULT_BUS, Events
from wildsage.store.resources import Resources

_LARGEST_REQUEST = 1024 * 1024
_DEEPEST = 500
"""Levels of a detail. AWS takes 1000; whoever reads the bus must be able to parse it with some of its stack used."""

_RESERVED_SOURCE = "aws."
_REQUIRED = ("Source", "DetailType", "Detail")


class EntryError(Exception):
    """An entry that is refused alone: the others are taken all the same."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EventEntries:
    """Puts the events of clients on the bus on which the platform reports its own."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("PutEvents")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Store the entries that are good, in their order, in one transaction; answer for each."""
        entries = request["Entries"]
        if sum(_size(entry) for entry in entries) > _LARGEST_REQUEST:
            raise ValidationError("Total size of the entries in the request is over the limit.")
        checked = [self._checked(context, entry) for entry in entries]
        at = context.clock.now()

        def store(transaction: Transaction) -> list[dict[str, str]]:
            return [_stored(transaction, context, at, entry) for entry in checked]

        results = await self._resources.database.write(store)
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failed, "Entries": results}

    def _checked(self, context: RequestContext, entry: dict[str, Any]) -> "dict[str, Any] | EntryError":
        try:
            _check(entry)
            bus = bus_name(context, entry.get("EventBusName", DEFAULT_BUS))
        except EntryError as error:
            return error
        except NotFoundError as error:
            return EntryError("InvalidArgument", error.message)
        if bus != DEFAULT_BUS and self._resources.get(bus_key(context, bus)) is None:
            return EntryError("InvalidArgument", f"Event bus {bus} does not exist.")
        return {**entry, "EventBusName": bus}


def _stored(
    transaction: Transaction, context: RequestContext, at: float, entry: dict[str, Any] | EntryError
) -> dict[str, str]:
    if isinstance(entry, EntryError):
        return {"ErrorCode": entry.code, "ErrorMessage": str(entry)}
    subject = {"resources": entry.get("Resources", [])}
    if "Time" in entry:
        subject["time"] = entry["Time"]
    event = Events.put(
        transaction,
        (context.account, context.region, entry["EventBusName"]),
        at,
        source=entry["Source"],
        detail_type=entry["DetailType"],
        subject=subject,
        detail=entry["Detail"],
    )
    return {"EventId": event}


def _check(entry: dict[str, Any]) -> None:
    for member in _REQUIRED:
        if not entry.get(member):
            raise EntryError(
                "InvalidArgument",
                f"Parameter {member} is not valid. Reason: {member} is a required argument.",
            )
    if entry["Source"].startswith(_RESERVED_SOURCE):
        raise EntryError("NotAuthorizedForSourceException", "Not authorized for the source.")
    try:
        detail = json.loads(entry["Detail"], parse_constant=_finite, parse_float=_finite)
        json.dumps(detail, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):
        detail = None
    if not isinstance(detail, dict):
        raise EntryError("MalformedDetail", "Detail is malformed.")
    if _depth(detail) > _DEEPEST:
        raise EntryError("MalformedDetail", f"Detail is malformed: it has more than {_DEEPEST} levels.")


def _finite(text: str) -> float:
    """Read a number; JSON has none that is not finite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level:
        inner = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [item for items in inner for item in items]
        deepest += bool(inner)
    return deepest


def _size(entry: dict[str, Any]) -> int:
    """Return the size of an entry as EventBridge counts it: 14 bytes for a time, all else in UTF-8."""
    texts = [entry.get(member, "") for member in _REQUIRED] + entry.get("Resources", [])
    return sum(len(text.encode()) for text in texts) + (14 if "Time" in entry else 0)
