"""Event buses: CreateEventBus, DescribeEventBus, ListEventBuses, UpdateEventBus, DeleteEventBus."""

from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ValidationError
from wildsage.services.events.common import (
    BUS,
    PAGES,
    RULE,
    bus_key,
    bus_name,
    events_arn,
    not_found,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.events import DEFAULT_BUS
from wildsage.store.resources import AlreadyExistsError, Resource, Resources
from wildsage.store.tags import Tags

_ECHOED = ("Description", "DeadLetterConfig", "LogConfig")


class EventBuses:
    """The default bus, which is always there (its record only once it was changed), and those that clients make."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("CreateEventBus")
    async def create(self, context: RequestContext, request: Request) -> Response:
        """Make a bus."""
        name = request["Name"]
        if "/" in name:
            raise ValidationError(f"Event bus name must not contain '/'. It is {name!r}")
        if name == DEFAULT_BUS:
            raise _exists(name)
        check_tags(request.get("Tags", []))
        arn = events_arn(context, f"{BUS}/{name}")
        body = {member: request[member] for member in _ECHOED if member in request}

        def store(transaction: Transaction) -> None:
            Tags.put(transaction, arn, request.get("Tags", []))
            at = context.clock.now()
            Resources.insert(transaction, bus_key(context, name), arn=arn, status="", at=at, body=body)

        try:
            await self._resources.database.write(store)
        except AlreadyExistsError:
            raise _exists(name) from None
        return {"EventBusArn": arn, **body}

    @operation("DescribeEventBus")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a bus; the default one where no name is given."""
        name = bus_name(context, request.get("Name", DEFAULT_BUS))
        bus = self._resources.get(bus_key(context, name))
        if bus is not None:
            return {**_summary(bus), **bus.body}
        if name != DEFAULT_BUS:
            raise not_found(f"Event bus {name} does not exist.")
        return _default(context)

    @operation("ListEventBuses")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the buses by name."""
        buses = self._resources.below(context.account, context.region, BUS)
        shown = {DEFAULT_BUS: _default(context)} | {bus.key.name: _summary(bus) for bus in buses}
        prefix = request.get("NamePrefix", "")
        return PAGES.answer(
            request,
            "EventBuses",
            [bus for name, bus in shown.items() if name.startswith(prefix)],
            position=lambda bus: str(bus["Name"]),
            show=lambda bus: bus,
        )

    @operation("UpdateEventBus")
    async def update(self, context: RequestContext, request: Request) -> Response:
        """Change what is recorded of a bus; what is not given stays."""
        name = request.get("Name", DEFAULT_BUS)
        changes = {member: request[member] for member in _ECHOED if member in request}
        key, arn, at = bus_key(context, name), events_arn(context, f"{BUS}/{name}"), context.clock.now()

        def store(transaction: Transaction) -> dict[str, Any]:
            bus = Resources.fetch(transaction, key)
            if bus is None and name != DEFAULT_BUS:
                raise not_found(f"Event bus {name} does not exist.")
            body = changes if bus is None else {**bus.body, **changes}
            if bus is None:
                Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)
            else:
                Resources.update(transaction, key, at=at, body=body)
            return {"Arn": arn, "Name": name, **body}

        return await self._resources.database.write(store)

    @operation("DeleteEventBus")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a bus without rules; one that is not there is no error."""
        name = request["Name"]
        if name == DEFAULT_BUS:
            raise ValidationError("Cannot delete event bus default.")

        def store(transaction: Transaction) -> None:
            if Resources.fetch_below(transaction, context.account, context.region, RULE, f"{name}/"):
                raise ValidationError(
                    f"Event bus can't be deleted since it has rules. Delete the rules of {name}"
                )
            Resources.delete(transaction, bus_key(context, name))
            Tags.remove_all(transaction, events_arn(context, f"{BUS}/{name}"))

        await self._resources.database.write(store)
        return {}


def _exists(name: str) -> ResourceInUseError:
    return ResourceInUseError(
        f"Event bus {name} already exists.", code="ResourceAlreadyExistsException", status=400
    )


def _default(context: RequestContext) -> dict[str, Any]:
    return {"Name": DEFAULT_BUS, "Arn": events_arn(context, f"{BUS}/{DEFAULT_BUS}")}


def _summary(bus: Resource) -> dict[str, Any]:
    return {
        "Name": bus.key.name,
        "Arn": bus.arn,
        "Description": bus.body.get("Description"),
        "CreationTime": bus.created_at,
        "LastModifiedTime": bus.modified_at,
    }
