"""All operations of Application Auto Scaling together."""

from collections.abc import Mapping

from wildsage.services.application_autoscaling.policy import ScalingPolicies
from wildsage.services.application_autoscaling.scheduled_action import ScheduledActions
from wildsage.services.application_autoscaling.target import ScalableTargets
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return operations_of(
        ScalableTargets(rooms.resources, rooms.tags),
        ScalingPolicies(rooms.resources),
        ScheduledActions(rooms.resources),
    )
