"""What the resources of EventBridge share: kinds, names, ARNs, errors, pages."""

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ValidationError
from wildsage.services.operation import Request
from wildsage.services.pages import Pages
from wildsage.store.events import DEFAULT_BUS
from wildsage.store.resources import Key, Resource, Resources

BUS = "event-bus"
RULE = "event-rule"
"""Kinds of resources. The name of a rule is ``BUS/RULE``: rules of different buses may have the same name."""

PAGES = Pages("NextToken", "Limit", 100)


def not_found(message: str) -> NotFoundError:
    """Return the error of a bus, a rule or an ARN that is not there."""
    return NotFoundError(message, code="ResourceNotFoundException")


def events_arn(context: RequestContext, resource: str) -> str:
    """Build the ARN of a bus (``event-bus/NAME``) or a rule (``rule/NAME``, ``rule/BUS/NAME``)."""
    return str(Arn(context.partition, "events", context.region, context.account, resource))


def bus_key(context: RequestContext, name: str) -> Key:
    """Return the key of a bus."""
    return Key(context.account, context.region, BUS, name)


def bus_name(context: RequestContext, name_or_arn: str) -> str:
    """Return the name of a bus that a request gives by name or ARN.

    Raises
    ------
    NotFoundError
        If the ARN is of another account or region.
    """
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    own = events_arn(context, f"{BUS}/")
    if not name_or_arn.startswith(own):
        raise not_found(f"Event bus {name_or_arn} does not exist: it is not of this account and region")
    return name_or_arn.removeprefix(own)


def requested_bus(resources: Resources, context: RequestContext, request: Request) -> str:
    """Return the name of the bus that ``EventBusName`` means.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    name = bus_name(context, request.get("EventBusName", DEFAULT_BUS))
    require_bus(resources, context, name)
    return name


def require_bus(resources: Resources, context: RequestContext, name: str) -> None:
    """Raise unless there is a bus of this name: the default one always is."""
    if name != DEFAULT_BUS and resources.get(bus_key(context, name)) is None:
        raise not_found(f"Event bus {name} does not exist.")


def rule_key(context: RequestContext, bus: str, name: str) -> Key:
    """Return the key of a rule."""
    return Key(context.account, context.region, RULE, f"{bus}/{name}")


def rule_arn(context: RequestContext, bus: str, name: str) -> str:
    """Build the ARN of a rule."""
    return events_arn(context, f"rule/{name}" if bus == DEFAULT_BUS else f"rule/{bus}/{name}")


def rule_not_found(bus: str, name: str) -> NotFoundError:
    """Return the error of a rule that is not there."""
    return not_found(f"Rule {name} does not exist on EventBus {bus}.")


def limit_exceeded(what: str) -> ValidationError:
    """Return the error of a request that would go beyond a limit."""
    return ValidationError(
        f"The requested resource exceeds the maximum number allowed. ({what})", code="LimitExceededException"
    )


def name_within_bus(rule: Resource) -> str:
    """Return the name of a rule as clients know it."""
    name: str = rule.body["Name"]
    return name
