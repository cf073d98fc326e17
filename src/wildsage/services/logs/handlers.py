"""All operations of CloudWatch Logs together."""

from collections.abc import Mapping

from wildsage.services.logs.events import LogEvents
from wildsage.services.logs.groups import LogGroups
from wildsage.services.logs.search import LogSearch
from wildsage.services.logs.streams import LogStreamOperations
from wildsage.services.operation import Handler, operations_of
from wildsage.store.logs import LogStreams


def logs_handlers(logs: LogStreams) -> Mapping[str, Handler]:
    """Return the handler of each operation that exists, by its name."""
    return operations_of(LogGroups(logs), LogStreamOperations(logs), LogEvents(logs), LogSearch(logs))
