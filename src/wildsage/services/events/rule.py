"""Rules: PutRule, DescribeRule, ListRules, EnableRule, DisableRule, DeleteRule, TestEventPattern.

A rule is a record: its pattern is checked, nothing is delivered to its targets yet, and no schedule runs.
"""

import json
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.schedules import ScheduleError, check_schedule
from wildsage.services.events.common import (
    PAGES,
    RULE,
    limit_exceeded,
    name_within_bus,
    requested_bus,
    rule_arn,
    rule_key,
    rule_not_found,
)
from wildsage.services.events.pattern import PatternError, invalid_pattern, parse_pattern
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.events import DEFAULT_BUS
from wildsage.store.resources import Resource, Resources
from wildsage.store.tags import Tags

_MOST_RULES = 300
_SHOWN = ("EventPattern", "ScheduleExpression", "State", "Description", "RoleArn")
_NEEDED = ("id", "account", "source", "time", "region", "resources", "detail-type")


class Rules:
    """What is of interest among the events of a bus, or when."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("PutRule")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Make a rule, or replace it: its targets and tags stay, all else is what this request says."""
        bus, name = requested_bus(self._resources, context, request), request["Name"]
        _check(request, bus)
        arn, key, at = rule_arn(context, bus, name), rule_key(context, bus, name), context.clock.now()
        body = {member: request[member] for member in _SHOWN if request.get(member)}
        body = {"Name": name, "EventBusName": bus, "State": "ENABLED", **body}

        def store(transaction: Transaction) -> None:
            present = Resources.fetch(transaction, key)
            if present is not None:
                targets = present.body.get("Targets", [])
                Resources.update(transaction, key, at=at, body={**body, "Targets": targets})
                return
            rules = Resources.fetch_below(transaction, key.account, key.region, RULE, f"{bus}/")
            if len(rules) >= _MOST_RULES:
                raise limit_exceeded(f"{_MOST_RULES} rules on a bus")
            Tags.put(transaction, arn, request.get("Tags", []))
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)

        await self._resources.database.write(store)
        return {"RuleArn": arn}

    @operation("DescribeRule")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """Return a rule."""
        bus, name = requested_bus(self._resources, context, request), request["Name"]
        rule = self._resources.get(rule_key(context, bus, name))
        if rule is None:
            raise rule_not_found(bus, name)
        return {**_summary(rule), "CreatedBy": context.account}

    @operation("ListRules")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the rules of a bus by name."""
        bus = requested_bus(self._resources, context, request)
        prefix = f"{bus}/{request.get('NamePrefix', '')}"
        rules = self._resources.below(context.account, context.region, RULE, prefix)
        return PAGES.answer(request, "Rules", rules, position=name_within_bus, show=_summary)

    @operation("EnableRule")
    async def enable(self, context: RequestContext, request: Request) -> Response:
        """Let a rule count again."""
        await self._set_state(context, request, "ENABLED")
        return {}

    @operation("DisableRule")
    async def disable(self, context: RequestContext, request: Request) -> Response:
        """Let a rule no longer count."""
        await self._set_state(context, request, "DISABLED")
        return {}

    @operation("DeleteRule")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a rule without targets; one that is not there is no error."""
        bus, name = requested_bus(self._resources, context, request), request["Name"]
        key = rule_key(context, bus, name)

        def store(transaction: Transaction) -> None:
            rule = Resources.fetch(transaction, key)
            if rule is None:
                return
            if rule.body.get("Targets"):
                raise ValidationError("Rule can't be deleted since it has targets.")
            Resources.delete(transaction, key)
            Tags.remove_all(transaction, rule.arn)

        await self._resources.database.write(store)
        return {}

    @operation("TestEventPattern")
    async def test(self, _context: RequestContext, request: Request) -> Response:
        """Tell whether a pattern matches an event."""
        try:
            matches = parse_pattern(request["EventPattern"])
        except PatternError as error:
            raise invalid_pattern(error) from None
        try:
            event = json.loads(request["Event"])
        except (ValueError, RecursionError):
            raise ValidationError("Parameter Event is not valid: it is not JSON") from None
        missing = [name for name in _NEEDED if not isinstance(event, dict) or name not in event]
        if missing:
            raise ValidationError(
                f"Parameter Event is not valid: it is an object with {', '.join(_NEEDED)};"
                f" {', '.join(missing)} is missing"
            )
        return {"Result": matches(event)}

    async def _set_state(self, context: RequestContext, request: Request, state: str) -> None:
        bus, name = requested_bus(self._resources, context, request), request["Name"]
        key = rule_key(context, bus, name)

        def store(transaction: Transaction) -> None:
            rule = Resources.fetch(transaction, key)
            if rule is None:
                raise rule_not_found(bus, name)
            body = {**rule.body, "State": state}
            Resources.update(transaction, key, at=context.clock.now(), body=body)

        await self._resources.database.write(store)


def _check(request: Request, bus: str) -> None:
    pattern, schedule = request.get("EventPattern"), request.get("ScheduleExpression")
    if not pattern and not schedule:
        raise ValidationError("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if pattern:
        try:
            parse_pattern(pattern)
        except PatternError as error:
            raise invalid_pattern(error) from None
    if schedule:
        if bus != DEFAULT_BUS:
            raise ValidationError("ScheduleExpression is supported only on the default event bus.")
        try:
            check_schedule(schedule)
        except ScheduleError as error:
            raise ValidationError(f"Parameter ScheduleExpression is not valid. {error}") from None
    check_tags(request.get("Tags", []))


def _summary(rule: Resource) -> dict[str, Any]:
    shown = {name: value for name, value in rule.body.items() if name != "Targets"}
    return {"Arn": rule.arn, **shown}
