"""All operations of EventBridge together."""

from collections.abc import Mapping

from wildsage.services.events.bus import EventBuses
from wildsage.services.events.entries import EventEntries
from wildsage.services.events.rule import Rules
from wildsage.services.events.tagging import EventTags
from wildsage.services.events.target import Targets
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    resources = rooms.resources
    return operations_of(
        EventBuses(resources),
        Rules(resources),
        Targets(resources),
        EventEntries(resources),
        EventTags(resources, rooms.tags),
    )
