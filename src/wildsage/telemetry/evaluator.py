"""Looks at every alarm again and again, and moves it to the state that its metric is in."""

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wildsage.core.clock import Clock
from wildsage.store.alarms import ALARM, Alarms, StateChange
from wildsage.store.metrics import MINUTE, MetricStore
from wildsage.store.resources import Resource
from wildsage.telemetry.alarms import Rule, Verdict, judge, reason
from wildsage.telemetry.queries import (
    Query,
    QueryError,
    QueryRun,
    Span,
    StatisticQuery,
    metric_of,
    read_queries,
)
from wildsage.telemetry.series import TimeSeries
from wildsage.telemetry.statistics import statistic

_TICK = 10
_LATE = 10
"""Seconds that the values of a minute may take to come in."""
_LONGEST_REASON = 1_023

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """What an alarm watches: the queries, the one whose values count, and their period."""

    queries: list[Query]
    query: Query
    period: int


def watch_of(account: str, region: str, body: Mapping[str, Any]) -> Watch:
    """Read the metric or the metrics of an alarm, which is a body in the shape of DescribeAlarms.

    Raises
    ------
    QueryError, wildsage.telemetry.statistics.UnknownStatisticError
        If they break a rule.
    """
    if "MetricName" in body:
        name = body.get("Statistic") or body["ExtendedStatistic"]
        metric = metric_of(account, region, body)
        asks = StatisticQuery(metric, statistic(name), body["Period"], body.get("Unit"))
        query = Query("m1", asks, "", returned=True, period=None)
        return Watch([query], query, body["Period"])
    queries = read_queries(account, region, body["Metrics"])
    returned = [query for query in queries if query.returned]
    if len(returned) != 1:
        raise QueryError(
            f"Exactly one element of the metrics list should return data, not {len(returned)}:"
            " set ReturnData = false in the others."
        )
    periods = [query.asks.period for query in queries if isinstance(query.asks, StatisticQuery)]
    period = returned[0].period or max(periods, default=0)
    if not period:
        raise QueryError("An alarm needs a metric with a Period, and none of the Metrics has one.")
    return Watch(queries, returned[0], period)


def rule_of(body: Mapping[str, Any]) -> Rule:
    """Read the rule of an alarm."""
    return Rule(
        comparison=body["ComparisonOperator"],
        threshold=body["Threshold"],
        periods=body["EvaluationPeriods"],
        needed=body.get("DatapointsToAlarm", body["EvaluationPeriods"]),
        missing=body.get("TreatMissingData", "missing"),
    )


class AlarmEvaluator:
    """Runs for as long as the server does: once a minute for each alarm, and when one is made or changed."""

    def __init__(self, alarms: Alarms, metrics: MetricStore, clock: Clock) -> None:
        self._alarms = alarms
        self._metrics = metrics
        self._clock = clock
        self._known: list[Resource] | None = None
        self._seen: dict[int, tuple[float, int]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        self._alarms.resources.database.wake(ALARM, self._changed)
        self._task = asyncio.create_task(self._watch(), name="alarm-evaluator")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self.evaluate()
            except sqlite3.Error:
                _log.exception("alarms could not be evaluated; trying again")
            wait = _TICK - self._clock.now() % _TICK
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
            if self._changed.is_set():
                self._changed.clear()
                self._known = None

    async def evaluate(self) -> None:
        """Look at every alarm whose time has come."""
        now = self._clock.now()
        for alarm, change in await asyncio.to_thread(self._due_changes, now):
            await self._move(alarm, change)

    async def _move(self, alarm: Resource, change: StateChange) -> None:
        def store(transaction: Any) -> Resource | None:
            current = self._alarms.resources.fetch(transaction, alarm.key)
            # Changed while it was looked at: the news that wakes us are on their way.
            if current is None or current.modified_at != alarm.modified_at:
                return None
            return self._alarms.move(transaction, alarm.key, change)

        moved = await self._alarms.resources.database.write(store)
        if moved is not None and self._known is not None:
            self._known = [moved if known.id == moved.id else known for known in self._known]

    def _due_changes(self, now: float) -> list[tuple[Resource, StateChange]]:
        if self._known is None:
            self._known = list(self._alarms.everywhere())
            self._seen = {alarm.id: self._seen[alarm.id] for alarm in self._known if alarm.id in self._seen}
        changes = []
        for alarm in self._known:
            version = alarm.body["AlarmConfigurationUpdatedTimestamp"]
            look = (version, _end_of_last_period(alarm, now))
            if self._seen.get(alarm.id) == look:
                continue
            self._seen[alarm.id] = look
            try:
                change = self._judged(alarm, look[1], now)
            except sqlite3.Error:
                raise
            except Exception:  # noqa: BLE001 - a boundary: one alarm must not end the watch over the others
                _log.exception("alarm %s could not be evaluated", alarm.arn)
                continue
            if change is not None and change.state != alarm.status:
                changes.append((alarm, change))
        return changes

    def _judged(self, alarm: Resource, end: int, now: float) -> StateChange | None:
        rule = rule_of(alarm.body)
        try:
            watch = watch_of(alarm.key.account, alarm.key.region, alarm.body)
            start = end - rule.looks_back * watch.period
            series = self._series(alarm, watch, Span(start, end, phase=start))
        except QueryError as error:
            text = f"Insufficient Data: {error}"[:_LONGEST_REASON]
            return StateChange("INSUFFICIENT_DATA", text, "", now)
        times = [start + number * watch.period for number in range(rule.looks_back)]
        verdict = judge(rule, [series.points.get(at) for at in times])
        if verdict.state is None:
            return None
        shown = [f"{value} ({_short(times[index])})" for index, value in reversed(verdict.evaluated)]
        text = reason(rule, verdict, shown)[:_LONGEST_REASON]
        return StateChange(verdict.state, text, _reason_data(alarm, watch, verdict, times, now), now)

    def _series(self, alarm: Resource, watch: Watch, span: Span) -> TimeSeries:
        place = {"account": alarm.key.account, "region": alarm.key.region}
        found = QueryRun(self._metrics, watch.queries, span, **place).series(watch.query)
        if len(found) != 1:
            raise QueryError(f"the alarm's expression gives {len(found)} time series, not one")
        return found[0]


def _end_of_last_period(alarm: Resource, now: float) -> int:
    period = alarm.body.get("Period", MINUTE)
    if period < MINUTE:
        return int(now // _TICK) * _TICK
    return int((now - _LATE) // MINUTE) * MINUTE


def _short(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")


def _long(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _reason_data(alarm: Resource, watch: Watch, verdict: Verdict, times: list[int], now: float) -> str:
    values = [value for _, value in verdict.evaluated]
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": _long(now),
        "startDate": _long(times[0]),
        "period": watch.period,
        "recentDatapoints": values,
        "threshold": alarm.body["Threshold"],
        "evaluatedDatapoints": [
            {"timestamp": _long(times[index]), "value": value} for index, value in reversed(verdict.evaluated)
        ],
    }
    for member, key in (("Statistic", "statistic"), ("ExtendedStatistic", "statistic"), ("Unit", "unit")):
        if member in alarm.body:
            data[key] = alarm.body[member]
    text = json.dumps(data)
    # As long as the wire allows: of very many values the first ones are enough.
    while len(text) > 4000:
        data["recentDatapoints"] = data["recentDatapoints"][: len(data["recentDatapoints"]) // 2]
        data["evaluatedDatapoints"] = data["evaluatedDatapoints"][: len(data["evaluatedDatapoints"]) // 2]
        text = json.dumps(data)
    return text
