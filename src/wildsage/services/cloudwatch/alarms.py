"""Alarms of metrics: made, shown, set, removed. Their actions are records: nothing is executed."""

from collections.abc import Callable, Iterator
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.alarm_rules import check_alarm
from wildsage.services.cloudwatch.common import (
    PAGES,
    alarm_arn,
    dimension_pairs,
    invalid_value,
    not_found,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.alarms import ALARM, Alarms, StateChange
from wildsage.store.database import Transaction
from wildsage.store.metrics import dimensions_of
from wildsage.store.resources import Body, Key, Resource, Resources
from wildsage.store.tags import Tags

_METRIC = "MetricAlarm"
_UNCHECKED = "Unchecked: Initial alarm creation"
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")


class MetricAlarms:
    """Operations on alarms."""

    def __init__(self, alarms: Alarms, tags: Tags) -> None:
        self._alarms = alarms
        self._resources = alarms.resources
        self._tags = tags

    @operation("PutMetricAlarm")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Make an alarm, or replace one; its state stays what it is until it is evaluated."""
        check_alarm(context, request)
        check_tags(request.get("Tags", []), invalid_value)
        key = _key(context, request["AlarmName"])
        at = context.clock.now()
        body = {name: value for name, value in request.items() if name not in ("AlarmName", "Tags")}
        body.setdefault("ActionsEnabled", True)
        body["AlarmConfigurationUpdatedTimestamp"] = at

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, key)
            if current is None:
                self._make(transaction, key, context, body, request.get("Tags", []))
            else:
                Resources.update(transaction, key, at=at, body={**_state_of(current.body), **body})
                summary = f'Alarm "{key.name}" updated'
                data = {"version": "1.0", "type": "Update", "updatedAlarm": {"alarmName": key.name, **body}}
                Alarms.record(transaction, key, at, "ConfigurationUpdate", summary, data)
            transaction.notify(ALARM)

        await self._resources.database.write(store)
        return {}

    @staticmethod
    def _make(
        transaction: Transaction, key: Key, context: RequestContext, body: Body, tags: list[dict[str, str]]
    ) -> None:
        at, arn = context.clock.now(), alarm_arn(context, key.name)
        state = {
            "StateReason": _UNCHECKED,
            "StateUpdatedTimestamp": at,
            "StateTransitionedTimestamp": at,
        }
        Resources.insert(transaction, key, arn=arn, status="INSUFFICIENT_DATA", at=at, body={**body, **state})
        Tags.put(transaction, arn, tags)
        data = {"version": "1.0", "type": "Create", "createdAlarm": {"alarmName": key.name, **body}}
        Alarms.record(transaction, key, at, "ConfigurationUpdate", f'Alarm "{key.name}" created', data)

    @operation("DescribeAlarms")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List alarms by name."""
        if _METRIC not in request.get("AlarmTypes", [_METRIC]):
            return {"MetricAlarms": [], "CompositeAlarms": []}
        position = PAGES.position(request, 1)
        after = "" if position is None else position[0]
        limit = PAGES.size(request)
        wanted = _wanted(request)
        found: list[Resource] = []
        for alarm in self._all(context, after):
            if wanted(alarm):
                found.append(alarm)
            if len(found) > limit:
                break
        response: Response = {"MetricAlarms": [show(alarm) for alarm in found[:limit]], "CompositeAlarms": []}
        if len(found) > limit:
            response["NextToken"] = PAGES.behind(request, [found[limit - 1].key.name])
        return response

    @operation("DescribeAlarmsForMetric")
    async def describe_for_metric(self, context: RequestContext, request: Request) -> Response:
        """List the alarms of one metric."""
        dimensions = dimensions_of(dimension_pairs(request.get("Dimensions", [])))

        def watches(alarm: Resource) -> bool:
            body = alarm.body
            same = all(
                body.get(member) == request[member]
                for member in ("Statistic", "ExtendedStatistic", "Period", "Unit")
                if member in request
            )
            return (
                same
                and (body.get("Namespace"), body.get("MetricName"))
                == (request["Namespace"], request["MetricName"])
                and dimensions_of(dimension_pairs(body.get("Dimensions", []))) == dimensions
            )

        return {"MetricAlarms": [show(alarm) for alarm in self._all(context) if watches(alarm)]}

    @operation("DeleteAlarms")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove alarms; those that are not there are no error. Their history stays."""
        at = context.clock.now()

        def remove(transaction: Transaction, alarm: Resource) -> None:
            Resources.delete(transaction, alarm.key)
            Tags.remove_all(transaction, alarm.arn)
            data = {"version": "1.0", "type": "Delete", "deletedAlarm": {"alarmName": alarm.key.name}}
            summary = f'Alarm "{alarm.key.name}" deleted'
            Alarms.record(transaction, alarm.key, at, "ConfigurationUpdate", summary, data)

        await self._for_each(context, request["AlarmNames"], remove)
        return {}

    @operation("SetAlarmState")
    async def set_state(self, context: RequestContext, request: Request) -> Response:
        """Move an alarm to a state by hand; the next evaluation moves it to where its metric is."""
        key = _key(context, request["AlarmName"])
        change = StateChange(
            request["StateValue"],
            request["StateReason"],
            request.get("StateReasonData", ""),
            context.clock.now(),
        )

        def store(transaction: Transaction) -> Resource | None:
            transaction.notify(ALARM)
            return Alarms.move(transaction, key, change)

        if await self._resources.database.write(store) is None:
            raise not_found(f"Alarm {key.name} does not exist in {context.region}: see DescribeAlarms")
        return {}

    @operation("EnableAlarmActions")
    async def enable(self, context: RequestContext, request: Request) -> Response:
        """Let state changes write down the actions again."""
        return await self._set_enabled(context, request["AlarmNames"], enabled=True)

    @operation("DisableAlarmActions")
    async def disable(self, context: RequestContext, request: Request) -> Response:
        """Let state changes write down no actions."""
        return await self._set_enabled(context, request["AlarmNames"], enabled=False)

    async def _set_enabled(self, context: RequestContext, names: list[str], *, enabled: bool) -> Response:
        at = context.clock.now()

        def change(transaction: Transaction, alarm: Resource) -> None:
            body = {**alarm.body, "ActionsEnabled": enabled}
            Resources.update(transaction, alarm.key, at=at, body=body)
            summary = f'Alarm "{alarm.key.name}" actions {"enabled" if enabled else "disabled"}'
            data = {"version": "1.0", "type": "Update", "updatedAlarm": {"actionsEnabled": enabled}}
            Alarms.record(transaction, alarm.key, at, "ConfigurationUpdate", summary, data)

        await self._for_each(context, names, change)
        return {}

    async def _for_each(
        self, context: RequestContext, names: list[str], do: Callable[[Transaction, Resource], None]
    ) -> None:
        """Do something with each alarm of these names that is there, all in one transaction."""

        def store(transaction: Transaction) -> None:
            for name in dict.fromkeys(names):
                alarm = Resources.fetch(transaction, _key(context, name))
                if alarm is not None:
                    do(transaction, alarm)
            transaction.notify(ALARM)

        await self._resources.database.write(store)

    def _all(self, context: RequestContext, after: str = "") -> Iterator[Resource]:
        """Yield the alarms of the account and region behind a name, by name."""
        names = self._resources.database.read(
            "SELECT name FROM resource WHERE account = ? AND region = ? AND kind = 'alarm' AND name > ?"
            " ORDER BY name",
            (context.account, context.region, after),
        )
        for row in names:
            alarm = self._resources.get(_key(context, row["name"]))
            if alarm is not None:
                yield alarm


def show(alarm: Resource) -> dict[str, Any]:
    """Return an alarm as it is shown."""
    return {
        **alarm.body,
        **{member: alarm.body.get(member, []) for member in (*_ACTIONS, "Dimensions")},
        "AlarmName": alarm.key.name,
        "AlarmArn": alarm.arn,
        "StateValue": alarm.status,
        "StateReasonData": alarm.body.get("StateReasonData") or None,
    }


def _key(context: RequestContext, name: str) -> Key:
    return Key(context.account, context.region, ALARM, name)


def _state_of(body: Body) -> Body:
    return {name: value for name, value in body.items() if name.startswith("State")}


def _wanted(request: Request) -> Callable[[Resource], bool]:
    names = request.get("AlarmNames")
    prefix, state = request.get("AlarmNamePrefix", ""), request.get("StateValue")
    action = request.get("ActionPrefix", "")

    def test(alarm: Resource) -> bool:
        actions = [item for member in _ACTIONS for item in alarm.body.get(member, [])]
        return (
            (names is None or alarm.key.name in names)
            and alarm.key.name.startswith(prefix)
            and state in (None, alarm.status)
            and (not action or any(item.startswith(action) for item in actions))
        )

    return test
