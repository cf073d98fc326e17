"""Alarms through boto3, and the evaluator behind them."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.refusals import refused

ALARM = {
    "Namespace": "Alarms",
    "MetricName": "m",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def one(cloudwatch, name):
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarm


def put_values(cloudwatch, name, *values):
    """Put one value a minute, the last one two minutes ago: that minute is over."""
    now = datetime.now(UTC)  # not when the module was read: a long suite overtakes it
    data = [
        {"MetricName": name, "Value": value, "Timestamp": now - timedelta(minutes=2 + back)}
        for back, value in enumerate(reversed(values))
    ]
    cloudwatch.put_metric_data(Namespace="Alarms", MetricData=data)


@pytest.fixture(autouse=True)
def no_alarms(cloudwatch):
    yield
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms])


def test_a_new_alarm_is_shown_as_it_was_made(cloudwatch):
    tags = [{"Key": "team", "Value": "x"}]
    cloudwatch.put_metric_alarm(
        AlarmName="new",
        AlarmDescription="d",
        AlarmActions=["arn:aws:sns:us-west-2:123456789012:t"],
        Tags=tags,
        **ALARM,
    )
    alarm = one(cloudwatch, "new")
    assert alarm["AlarmArn"] == "arn:aws:cloudwatch:us-west-2:123456789012:alarm:new"
    assert {name: alarm[name] for name in ALARM} == ALARM
    assert (alarm["StateValue"], alarm["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    assert (alarm["ActionsEnabled"], alarm["OKActions"], alarm["Dimensions"]) == (True, [], [])
    assert abs(alarm["StateUpdatedTimestamp"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == tags
    cloudwatch.tag_resource(ResourceARN=alarm["AlarmArn"], Tags=[{"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=alarm["AlarmArn"], TagKeys=["team"])
    listed = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert listed == [{"Key": "b", "Value": "2"}]
    cloudwatch.delete_alarms(AlarmNames=["new", "absent"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    gone = {"ResourceARN": alarm["AlarmArn"], "http_status": 404}
    refused("ResourceNotFoundException", cloudwatch.list_tags_for_resource, **gone)


def test_an_alarm_follows_its_metric(cloud, cloudwatch):
    action = "arn:aws:sns:us-west-2:123456789012:t"
    alarm = {**ALARM, "MetricName": "follow", "EvaluationPeriods": 2}
    cloudwatch.put_metric_alarm(AlarmName="follow", AlarmActions=[action], **alarm)
    cloud.evaluate()
    assert one(cloudwatch, "follow")["StateValue"] == "INSUFFICIENT_DATA"
    put_values(cloudwatch, "follow", 1.0, 7.0, 9.0)
    cloud.evaluate()
    found = one(cloudwatch, "follow")
    assert found["StateValue"] == "ALARM"
    assert found["StateReason"].startswith("Threshold Crossed: 2 out of the last 2 datapoints [9.0 (")
    assert "were greater than the threshold (5.0)" in found["StateReason"]
    assert '"threshold": 5.0' in found["StateReasonData"]
    put_values(cloudwatch, "follow", 0.0, -50.0, -50.0)
    cloud.evaluate()
    assert one(cloudwatch, "follow")["StateValue"] == "OK"
    history = cloudwatch.describe_alarm_history(AlarmName="follow", ScanBy="TimestampAscending")
    assert [item["HistorySummary"] for item in history["AlarmHistoryItems"]] == [
        'Alarm "follow" created',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        f"Not executed, actions are only recorded: {action}",
        "Alarm updated from ALARM to OK",
    ]


def test_an_alarm_over_an_expression(cloud, cloudwatch):
    put_values(cloudwatch, "errors", 5.0)
    put_values(cloudwatch, "requests", 10.0)

    def stat(identifier, name):
        metric = {"Namespace": "Alarms", "MetricName": name}
        return {
            "Id": identifier,
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }

    metrics = [stat("e", "errors"), stat("r", "requests"), {"Id": "share", "Expression": "100 * e / r"}]
    rule = {
        "EvaluationPeriods": 1,
        "Threshold": 49.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    cloudwatch.put_metric_alarm(AlarmName="share", Metrics=metrics, **rule)
    cloud.evaluate()
    alarm = one(cloudwatch, "share")
    assert alarm["StateValue"] == "ALARM"
    assert alarm["Metrics"] == [*metrics[:2], {**metrics[2]}]
    metrics[2]["Expression"] = "nothing"
    cloudwatch.put_metric_alarm(AlarmName="share", Metrics=metrics, **rule)
    cloud.evaluate()
    assert "no query with the id 'nothing'" in one(cloudwatch, "share")["StateReason"]


def test_what_is_missing_is_treated_as_the_alarm_says(cloud, cloudwatch):
    for treatment in ("breaching", "notBreaching", "ignore", "missing"):
        alarm = {**ALARM, "MetricName": "silent", "TreatMissingData": treatment}
        cloudwatch.put_metric_alarm(AlarmName=f"t-{treatment}", **alarm)
    cloud.evaluate()
    assert {a["AlarmName"]: a["StateValue"] for a in cloudwatch.describe_alarms()["MetricAlarms"]} == {
        "t-breaching": "ALARM",
        "t-notBreaching": "OK",
        "t-ignore": "INSUFFICIENT_DATA",
        "t-missing": "INSUFFICIENT_DATA",
    }


def test_a_state_set_by_hand_lasts_until_the_next_look(cloud, cloudwatch):
    put_values(cloudwatch, "hand", 1.0)
    cloudwatch.put_metric_alarm(AlarmName="hand", **{**ALARM, "MetricName": "hand"})
    cloudwatch.set_alarm_state(
        AlarmName="hand", StateValue="ALARM", StateReason="a test", StateReasonData="{}"
    )
    alarm = one(cloudwatch, "hand")
    assert (alarm["StateValue"], alarm["StateReason"], alarm["StateReasonData"]) == ("ALARM", "a test", "{}")
    cloud.evaluate()
    assert one(cloudwatch, "hand")["StateValue"] == "OK"
    absent = {"AlarmName": "absent", "StateValue": "OK", "StateReason": ""}
    assert "absent" in refused("ResourceNotFound", cloudwatch.set_alarm_state, http_status=404, **absent)


def test_actions_can_be_turned_off(cloudwatch):
    cloudwatch.put_metric_alarm(AlarmName="quiet", AlarmActions=["arn:aws:sns:us-west-2:1:t"], **ALARM)
    cloudwatch.disable_alarm_actions(AlarmNames=["quiet", "absent"])
    assert one(cloudwatch, "quiet")["ActionsEnabled"] is False
    cloudwatch.set_alarm_state(AlarmName="quiet", StateValue="ALARM", StateReason="r")
    kinds = [
        item["HistoryItemType"]
        for item in cloudwatch.describe_alarm_history(AlarmName="quiet")["AlarmHistoryItems"]
    ]
    assert kinds == ["StateUpdate", "ConfigurationUpdate", "ConfigurationUpdate"]
    cloudwatch.enable_alarm_actions(AlarmNames=["quiet"])
    assert one(cloudwatch, "quiet")["ActionsEnabled"] is True


def test_a_change_keeps_the_state(cloudwatch):
    cloudwatch.put_metric_alarm(AlarmName="kept", **ALARM)
    cloudwatch.set_alarm_state(AlarmName="kept", StateValue="ALARM", StateReason="r")
    cloudwatch.put_metric_alarm(AlarmName="kept", **{**ALARM, "Threshold": 9.0})
    alarm = one(cloudwatch, "kept")
    assert (alarm["StateValue"], alarm["StateReason"], alarm["Threshold"]) == ("ALARM", "r", 9.0)


def test_alarms_are_found_by_what_they_are(cloudwatch):
    for number in range(5):
        name = f"{'even' if number % 2 == 0 else 'odd'}-{number}"
        dimensions = [{"Name": "n", "Value": str(number)}]
        actions = [f"arn:aws:sns:us-west-2:1:{number}"]
        cloudwatch.put_metric_alarm(AlarmName=name, OKActions=actions, Dimensions=dimensions, **ALARM)
    cloudwatch.set_alarm_state(AlarmName="odd-3", StateValue="OK", StateReason="r")

    def names(**request):
        pages = cloudwatch.get_paginator("describe_alarms").paginate(**request)
        return [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]

    assert names(PaginationConfig={"PageSize": 2}) == ["even-0", "even-2", "even-4", "odd-1", "odd-3"]
    assert names(AlarmNamePrefix="odd", PaginationConfig={"PageSize": 1}) == ["odd-1", "odd-3"]
    assert names(StateValue="OK") == ["odd-3"]
    assert names(ActionPrefix="arn:aws:sns:us-west-2:1:4") == ["even-4"]
    assert names(AlarmTypes=["CompositeAlarm"]) == []
    found = cloudwatch.describe_alarms_for_metric(
        Namespace="Alarms", MetricName="m", Dimensions=[{"Name": "n", "Value": "2"}]
    )
    assert [alarm["AlarmName"] for alarm in found["MetricAlarms"]] == ["even-2"]
    page = cloudwatch.describe_alarm_history(MaxRecords=2, HistoryItemType="ConfigurationUpdate")
    following = cloudwatch.describe_alarm_history(
        MaxRecords=2, HistoryItemType="ConfigurationUpdate", NextToken=page["NextToken"]
    )
    seen = [item["AlarmName"] for item in [*page["AlarmHistoryItems"], *following["AlarmHistoryItems"]]]
    assert seen == ["even-4", "odd-3", "even-2", "odd-1"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"MetricName": None}, "ValidationError", "MetricName"),
        ({"Statistic": None}, "InvalidParameterCombination", "Exactly one"),
        ({"ExtendedStatistic": "p9"}, "InvalidParameterCombination", "Exactly one"),
        ({"Statistic": None, "ExtendedStatistic": "p900"}, "ValidationError", "p900"),
        ({"Period": 45}, "ValidationError", "multiple of 60"),
        ({"Period": 1}, "ValidationError", "10, 20, 30"),
        ({"EvaluationPeriods": 2000}, "ValidationError", "more than a day"),
        ({"Period": 86400, "EvaluationPeriods": 8}, "ValidationError", "7 days"),
        ({"DatapointsToAlarm": 2}, "ValidationError", "EvaluationPeriods"),
        ({"TreatMissingData": "panic"}, "ValidationError", "panic"),
        ({"Threshold": None}, "ValidationError", "Threshold"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "anomaly"),
        ({"Metrics": [{"Id": "a", "Expression": "b"}]}, "InvalidParameterCombination", "mutually exclusive"),
        ({"ThresholdMetricId": "t"}, "ValidationError", "ThresholdMetricId"),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidParameterValue", "reserved"),
    ],
)
def test_alarms_that_break_a_rule_are_refused(cloudwatch, change, code, said):
    request = {name: value for name, value in {**ALARM, **change}.items() if value is not None}
    assert said in refused(code, cloudwatch.put_metric_alarm, AlarmName="bad", **request)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
