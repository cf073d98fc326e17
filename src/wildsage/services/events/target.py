"""Targets of rules: PutTargets, ListTargetsByRule, RemoveTargets, ListRuleNamesByTarget.

They are records: nothing is delivered to them yet.
"""

from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.events.common import (
    PAGES,
    RULE,
    limit_exceeded,
    name_within_bus,
    requested_bus,
    rule_key,
    rule_not_found,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Key, Resource, Resources

_MOST_TARGETS = 5
_INPUTS = ("Input", "InputPath", "InputTransformer")

Target = dict[str, Any]


class Targets:
    """Who is to get the events of a rule."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("PutTargets")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Add targets to a rule; one with the same id takes the place of the old one."""
        bus, name = requested_bus(self._resources, context, request), request["Rule"]
        for target in request["Targets"]:
            _check(target)
        added = {target["Id"]: target for target in request["Targets"]}

        def store(transaction: Transaction) -> None:
            rule = _fetch(transaction, rule_key(context, bus, name), bus, name)
            targets = {target["Id"]: target for target in rule.body.get("Targets", [])} | added
            if len(targets) > _MOST_TARGETS:
                raise limit_exceeded(f"{_MOST_TARGETS} targets of a rule")
            _replace(transaction, context, rule, list(targets.values()))

        await self._resources.database.write(store)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    @operation("ListTargetsByRule")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the targets of a rule by id."""
        bus, name = requested_bus(self._resources, context, request), request["Rule"]
        rule = self._resources.get(rule_key(context, bus, name))
        if rule is None:
            raise rule_not_found(bus, name)
        targets: list[Target] = rule.body.get("Targets", [])
        return PAGES.answer(
            request, "Targets", targets, position=lambda target: str(target["Id"]), show=lambda target: target
        )

    @operation("RemoveTargets")
    async def remove(self, context: RequestContext, request: Request) -> Response:
        """Remove targets by id; those that the rule does not have are failed entries."""
        bus, name = requested_bus(self._resources, context, request), request["Rule"]
        ids = list(dict.fromkeys(request["Ids"]))

        def store(transaction: Transaction) -> list[dict[str, str]]:
            rule = _fetch(transaction, rule_key(context, bus, name), bus, name)
            present: list[Target] = rule.body.get("Targets", [])
            _replace(transaction, context, rule, [one for one in present if one["Id"] not in ids])
            known = {target["Id"] for target in present}
            return [_no_target(name, one) for one in ids if one not in known]

        failed = await self._resources.database.write(store)
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    @operation("ListRuleNamesByTarget")
    async def rules_of(self, context: RequestContext, request: Request) -> Response:
        """List the rules of a bus that have a target."""
        bus = requested_bus(self._resources, context, request)
        rules = self._resources.below(context.account, context.region, RULE, f"{bus}/")
        found = [
            rule
            for rule in rules
            if any(target["Arn"] == request["TargetArn"] for target in rule.body.get("Targets", []))
        ]
        return PAGES.answer(request, "RuleNames", found, position=name_within_bus, show=name_within_bus)


def _fetch(transaction: Transaction, key: Key, bus: str, name: str) -> Resource:
    rule = Resources.fetch(transaction, key)
    if rule is None:
        raise rule_not_found(bus, name)
    return rule


def _replace(
    transaction: Transaction, context: RequestContext, rule: Resource, targets: list[Target]
) -> None:
    body = {**rule.body, "Targets": targets}
    Resources.update(transaction, rule.key, at=context.clock.now(), body=body)


def _check(target: Target) -> None:
    try:
        Arn.parse(target["Arn"])
    except ValueError:
        raise ValidationError(
            f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in correct format."
        ) from None
    given = [member for member in _INPUTS if member in target]
    if len(given) > 1:
        raise ValidationError(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
        )


def _no_target(rule: str, target: str) -> dict[str, str]:
    return {
        "TargetId": target,
        "ErrorCode": "ResourceNotFoundException",
        "ErrorMessage": f"Rule {rule} has no target with the id {target}.",
    }
