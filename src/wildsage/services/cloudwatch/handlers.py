"""All operations of CloudWatch together."""

from collections.abc import Mapping

from wildsage.services.cloudwatch.alarm_history import AlarmHistory
from wildsage.services.cloudwatch.alarms import MetricAlarms
from wildsage.services.cloudwatch.data import MetricQueries
from wildsage.services.cloudwatch.metrics import MetricData
from wildsage.services.cloudwatch.tags import AlarmTags
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms
from wildsage.store.alarms import Alarms
from wildsage.store.metrics import MetricStore
from wildsage.store.tags import Tags


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return cloudwatch_handlers(rooms.metrics, rooms.alarms, rooms.tags)


def cloudwatch_handlers(metrics: MetricStore, alarms: Alarms, tags: Tags) -> Mapping[str, Handler]:
    """Return the same over these alone."""
    return operations_of(
        MetricData(metrics),
        MetricQueries(metrics),
        MetricAlarms(alarms, tags),
        AlarmHistory(alarms),
        AlarmTags(alarms.resources, tags),
    )
