"""All operations of CloudWatch Logs together."""

from collections.abc import Mapping

from wildsage.services.logs.events import LogEvents
from wildsage.services.logs.groups import LogGroups
from wildsage.services.logs.metric_filters import LogMetricFilters
from wildsage.services.logs.search import LogSearch
from wildsage.services.logs.streams import LogStreamOperations
from wildsage.services.operation import Handler, operations_of
from wildsage.services.rooms import ServiceRooms
from wildsage.store.log_cursors import LogCursors
from wildsage.store.logs import LogStreams
from wildsage.store.metric_filters import MetricFilters


def handlers(rooms: ServiceRooms) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return logs_handlers(rooms.logs)


def logs_handlers(logs: LogStreams) -> Mapping[str, Handler]:
    """Return the same over these alone."""
    filters = MetricFilters(logs.database)
    return operations_of(
        LogGroups(logs, filters),
        LogStreamOperations(logs),
        LogEvents(logs),
        LogSearch(logs, LogCursors(logs.database)),
        LogMetricFilters(logs, filters),
    )
