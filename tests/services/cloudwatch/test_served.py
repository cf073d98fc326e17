"""The whole server: what comes in as a log line ends as an alarm, and a restart forgets nothing."""

import time

from tests.served import ServedApplication

PATTERN = {"metricNamespace": "App", "metricName": "Errors", "metricValue": "1"}


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(server):
    (alarm,) = server.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return alarm["StateValue"]


def test_from_a_log_line_to_an_alarm_and_through_a_restart(tmp_path):
    with ServedApplication(tmp_path) as server:
        logs, cloudwatch = server.client("logs"), server.client("cloudwatch")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        logs.put_metric_filter(
            logGroupName="g", filterName="errors", filterPattern="ERROR", metricTransformations=[PATTERN]
        )
        at = int(time.time() * 1000) - 120_000  # its minute is over
        events = [{"timestamp": at, "message": f"ERROR {number}"} for number in range(3)]
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
        token = logs.filter_log_events(logGroupName="g", limit=1)["nextToken"]
        cloudwatch.put_metric_alarm(
            AlarmName="errors",
            Namespace="App",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=1,
            Threshold=2.0,
            ComparisonOperator="GreaterThanThreshold",
        )
        until(lambda: state(server) == "ALARM")
    with ServedApplication(tmp_path) as server:
        assert state(server) == "ALARM"
        rest = server.client("logs").filter_log_events(logGroupName="g", limit=1, nextToken=token)
        assert [event["message"] for event in rest["events"]] == ["ERROR 1"]
        assert server.client("cloudwatch").list_metrics()["Metrics"][0]["MetricName"] == "Errors"
