"""The loop that looks at alarms."""

import asyncio

import pytest

from wildsage.store.alarms import ALARM, Alarms
from wildsage.store.distributions import Distribution
from wildsage.store.metrics import Metric, MetricStore, Sample
from wildsage.store.resources import Key, Resources
from wildsage.telemetry.evaluator import AlarmEvaluator

BODY = {
    "Namespace": "N",
    "MetricName": "m",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "StateReason": "",
    "AlarmConfigurationUpdatedTimestamp": 0.0,
}


@pytest.fixture
def watch(state, telemetry, clock):
    alarms, metrics = Alarms(Resources(state)), MetricStore(telemetry)
    clock.time = 1_800_000_000.0 + 11  # 11 s into a minute
    return AlarmEvaluator(alarms, metrics, clock), alarms, metrics


def make(alarms, name, **changes):
    key = Key("1", "us-west-2", ALARM, name)
    body = {**BODY, **changes}
    asyncio.run(
        alarms.resources.database.write(
            lambda t: Resources.insert(
                t, key, arn=f"arn:{name}", status="INSUFFICIENT_DATA", at=0.0, body=body
            )
        )
    )
    return key


def put(metrics, value, at):
    sample = Sample(Metric("1", "us-west-2", "N", "m"), at, Distribution.of([value]))
    asyncio.run(metrics.put([sample], at))


def test_an_alarm_is_looked_at_again_when_its_minute_is_over(watch, clock):
    evaluator, alarms, metrics = watch
    key = make(alarms, "a")

    def look(seconds):
        clock.time += seconds
        asyncio.run(evaluator.evaluate())
        return alarms.resources.get(key).status

    assert look(0) == "INSUFFICIENT_DATA"
    put(metrics, 9.0, clock.time)
    assert look(20) == "INSUFFICIENT_DATA"  # its minute goes on
    assert look(30) == "INSUFFICIENT_DATA"  # values of the minute may still come in
    assert look(10) == "ALARM"
    put(metrics, 1.0, clock.time)
    assert look(60) == "OK"


def test_one_alarm_that_cannot_be_judged_does_not_hold_up_the_others(watch, clock, caplog):
    evaluator, alarms, metrics = watch
    make(alarms, "a", ComparisonOperator="Nonsense")
    key = make(alarms, "b")
    put(metrics, 9.0, clock.time - 60)
    asyncio.run(evaluator.evaluate())
    assert alarms.resources.get(key).status == "ALARM"
    assert "arn:a could not be evaluated" in caplog.text


def test_what_was_changed_meanwhile_is_left_to_the_next_look(watch, clock):
    """Between the look at the metric and the write, the user set the state by hand."""
    evaluator, alarms, metrics = watch
    key = make(alarms, "a")
    put(metrics, 9.0, clock.time - 60)
    (pending,) = evaluator._due_changes(clock.time)
    asyncio.run(
        alarms.resources.database.write(
            lambda t: Resources.update(t, key, at=5.0, body={**BODY, "Threshold": 50.0})
        )
    )
    asyncio.run(evaluator._move(*pending))
    assert alarms.resources.get(key).status == "INSUFFICIENT_DATA"
