"""Alarms: their states, and the history of what happened to them.

An alarm is a named resource; its state is the resource's status.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wildsage.store.database import Transaction
from wildsage.store.resources import Body, Key, Resource, Resources

ALARM = "alarm"
"""Kind of resource, and the topic that is notified when alarms are made, changed or removed."""

_HISTORY_SECONDS = 30 * 86_400
_LONGEST_SUMMARY = 255
_ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """Something that happened to an alarm."""

    id: int
    alarm: str
    at: float
    kind: str
    summary: str
    data: str


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which items are asked for. Everything given must hold."""

    account: str
    region: str
    alarm: str | None
    kind: str | None
    start: float
    end: float
    descending: bool


class Alarms:
    """Access to the alarms of all accounts and regions."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def everywhere(self) -> Iterator[Resource]:
        """Yield all alarms that there are."""
        rows = self.resources.database.read(
            "SELECT account, region, name FROM resource WHERE kind = 'alarm' ORDER BY account, region, name"
        )
        for row in rows:
            alarm = self.resources.get(Key(row["account"], row["region"], ALARM, row["name"]))
            if alarm is not None:
                yield alarm

    def history(self, query: HistoryQuery, after: tuple[float, int] | None, limit: int) -> list[HistoryItem]:
        """Return up to `limit` items behind a position (time and id), by time."""
        where, parameters = _conditions(query)
        order, comparison = ("DESC", "<") if query.descending else ("ASC", ">")
        if after is not None:
            where += f" AND (at, id) {comparison} (?, ?)"
            parameters += after
        rows = self.resources.database.read(
            f"SELECT * FROM alarm_history WHERE {where} ORDER BY at {order}, id {order} LIMIT ?",  # noqa: S608 - constant text
            [*parameters, limit],
        )
        return [
            HistoryItem(row["id"], row["alarm"], row["at"], row["kind"], row["summary"], row["data"])
            for row in rows
        ]

    @staticmethod
    def record(transaction: Transaction, alarm: Key, at: float, kind: str, summary: str, data: Body) -> None:
        """Add to the history of an alarm, and forget what is older than a month."""
        transaction.execute(
            "INSERT INTO alarm_history (account, region, alarm, at, kind, summary, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                alarm.account, alarm.region, alarm.name, at, kind,
                summary[:_LONGEST_SUMMARY], json.dumps(data),
            ),
        )  # fmt: skip
        transaction.execute("DELETE FROM alarm_history WHERE at < ?", (at - _HISTORY_SECONDS,))

    @classmethod
    def move(cls, transaction: Transaction, alarm: Key, change: "StateChange") -> Resource | None:
        """Move an alarm to a state; None where it is gone.

        Its actions are written down in the history, and that is all that becomes of them.
        """
        current = Resources.fetch(transaction, alarm)
        if current is None:
            return None
        before = _state(current.status, current.body)
        body = {
            **current.body,
            "StateReason": change.reason,
            "StateReasonData": change.data,
            "StateUpdatedTimestamp": change.at,
        }
        if change.state != current.status:
            body["StateTransitionedTimestamp"] = change.at
        moved = Resources.transition(transaction, alarm, to=change.state, at=change.at, body=body)
        if change.state != current.status:
            cls.record(
                transaction,
                alarm,
                change.at,
                "StateUpdate",
                f"Alarm updated from {current.status} to {change.state}",
                {"version": "1.0", "oldState": before, "newState": _state(change.state, body)},
            )
            cls._record_actions(transaction, moved, change)
        return moved

    @classmethod
    def _record_actions(cls, transaction: Transaction, alarm: Resource, change: "StateChange") -> None:
        if not alarm.body.get("ActionsEnabled", True):
            return
        for action in alarm.body.get(_ACTIONS[change.state], []):
            cls.record(
                transaction,
                alarm.key,
                change.at,
                "Action",
                f"Not executed, actions are only recorded: {action}",
                {"actionState": "Recorded", "notificationResource": action},
            )


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state, since when, and why: as text and as JSON (empty: none)."""

    state: str
    reason: str
    data: str
    at: float


def _state(state: str, body: Body) -> Body:
    shown: Body = {"stateValue": state, "stateReason": body["StateReason"]}
    if body.get("StateReasonData"):
        shown["stateReasonData"] = body["StateReasonData"]
    return shown


def _conditions(query: HistoryQuery) -> tuple[str, list[Any]]:
    where = "account = ? AND region = ? AND at >= ? AND at <= ?"
    parameters: list[Any] = [query.account, query.region, query.start, query.end]
    for column, value in (("alarm", query.alarm), ("kind", query.kind)):
        if value is not None:
            where += f" AND {column} = ?"
            parameters.append(value)
    return where, parameters
