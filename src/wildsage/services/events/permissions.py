"""Which buses and rules a request of EventBridge names. Source: Service Authorization Reference."""

from collections.abc import Iterator

from wildsage.core.context import RequestContext
from wildsage.services.events.common import BUS, events_arn, rule_arn
from wildsage.services.operation import Request
from wildsage.store.events import DEFAULT_BUS

_OF_RULES = frozenset({"DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "PutRule"})
_OF_BUSES = frozenset({"CreateEventBus", "DeleteEventBus", "DescribeEventBus", "UpdateEventBus"})


def event_resources(context: RequestContext, operation: str, request: Request) -> Iterator[str]:
    """Yield the ARNs of the buses or the rule that a request is about; nothing where it is about all."""
    bus = _name(request.get("EventBusName", DEFAULT_BUS))
    if "ResourceARN" in request:
        yield request["ResourceARN"]
    elif "Rule" in request:
        yield rule_arn(context, bus, request["Rule"])
    elif operation in _OF_RULES:
        yield rule_arn(context, bus, request["Name"])
    elif operation in _OF_BUSES:
        yield events_arn(context, f"{BUS}/{_name(request.get('Name', DEFAULT_BUS))}")
    elif operation == "PutEvents":
        names = {_name(entry.get("EventBusName", DEFAULT_BUS)) for entry in request["Entries"]}
        yield from (events_arn(context, f"{BUS}/{name}") for name in sorted(names))


def _name(name_or_arn: str) -> str:
    """A bus of another account is refused by the operation itself."""
    return name_or_arn.rpartition("/")[2]
