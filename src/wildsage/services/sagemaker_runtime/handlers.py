"""All operations of SageMaker Runtime."""

from collections.abc import Mapping

from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return operations_of(rooms.invocations)
