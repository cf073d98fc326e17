"""Scheduled actions: PutScheduledAction, DescribeScheduledActions, DeleteScheduledAction.

They are records: no schedule runs.
"""

import uuid
import zoneinfo
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.core.schedules import ScheduleError, check_schedule
from wildsage.services.application_autoscaling.common import (
    ACTION,
    PAGES,
    Scaled,
    autoscaling_arn,
    check_capacity,
    object_not_found,
    part_key,
    require_target,
    wanted,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource, Resources

_MEMBERS = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
_NEEDED = ("Schedule", "ScalableTargetAction")


class ScheduledActions:
    """When the bounds of a target are to change."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @operation("PutScheduledAction")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Make an action of a registered target, or change what is given of it."""
        scaled, name = Scaled.of(request), request["ScheduledActionName"]
        given = {member: request[member] for member in _MEMBERS if member in request}

        def store(transaction: Transaction) -> None:
            require_target(transaction, context, scaled)
            key, at = part_key(context, ACTION, scaled, name), context.clock.now()
            present = Resources.fetch(transaction, key)
            body = {**({} if present is None else present.body), **given}
            _check(body)
            body = {"ScheduledActionName": name, **scaled.members, **body}
            if present is not None:
                Resources.update(transaction, key, at=at, body=body)
                return
            resource = f"resource/{scaled.namespace}/{scaled.resource}:scheduledActionName/{name}"
            arn = autoscaling_arn(context, f"scheduledAction:{uuid.uuid4()}:{resource}")
            Resources.insert(transaction, key, arn=arn, status="", at=at, body=body)

        await self._resources.database.write(store)
        return {}

    @operation("DescribeScheduledActions")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List actions by target and name."""
        names = request.get("ScheduledActionNames")
        found = [
            action
            for action in wanted(self._resources, context, request, ACTION)
            if not names or action.body["ScheduledActionName"] in names
        ]
        return PAGES.answer(
            request, "ScheduledActions", found, position=lambda one: one.key.name, show=_summary
        )

    @operation("DeleteScheduledAction")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove an action."""
        scaled, name = Scaled.of(request), request["ScheduledActionName"]
        key = part_key(context, ACTION, scaled, name)

        def store(transaction: Transaction) -> None:
            if Resources.fetch(transaction, key) is None:
                raise object_not_found("scheduled action", scaled, name)
            Resources.delete(transaction, key)

        await self._resources.database.write(store)
        return {}


def _check(body: dict[str, Any]) -> None:
    for member in _NEEDED:
        if member not in body:
            raise ValidationError(f"{member} is required to make a scheduled action")
    try:
        check_schedule(body["Schedule"], once=True)
    except ScheduleError as error:
        raise ValidationError(f"Schedule: {error}") from None
    zone = body.get("Timezone", "UTC")
    if zone not in (zoneinfo.available_timezones() or {zone}):  # a machine may know none
        raise ValidationError(f"Timezone {zone!r} is no name of the IANA time zone database")
    if "StartTime" in body and "EndTime" in body and body["EndTime"] <= body["StartTime"]:
        raise ValidationError("EndTime is not after StartTime")
    action = body["ScalableTargetAction"]
    if "MinCapacity" not in action and "MaxCapacity" not in action:
        raise ValidationError("ScalableTargetAction needs MinCapacity, MaxCapacity or both")
    check_capacity(action.get("MinCapacity"), action.get("MaxCapacity"))


def _summary(action: Resource) -> dict[str, Any]:
    return {"ScheduledActionARN": action.arn, "CreationTime": action.created_at, **action.body}
