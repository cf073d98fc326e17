"""PutMetricData and ListMetrics, through boto3."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refused

NOW = datetime.now(UTC).replace(microsecond=0)


def put(cloudwatch, namespace, **datum):
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", **datum}])


def one_point(cloudwatch, namespace, *statistics, **request):
    (point,) = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="m",
        StartTime=NOW - timedelta(hours=1),
        EndTime=NOW + timedelta(hours=1),
        Period=7200,
        Statistics=list(statistics) or ["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
        **request,
    )["Datapoints"]
    return point


def test_a_value_is_there_at_once(cloudwatch):
    put(cloudwatch, "At/Once", Value=2.5)
    (metric,) = cloudwatch.list_metrics(Namespace="At/Once")["Metrics"]
    assert metric == {"Namespace": "At/Once", "MetricName": "m", "Dimensions": []}
    point = one_point(cloudwatch, "At/Once")
    assert (point["Average"], point["SampleCount"], point["Unit"]) == (2.5, 1.0, "None")


def test_all_ways_to_put_values_add_up(cloudwatch):
    cloudwatch.put_metric_data(
        Namespace="Ways",
        MetricData=[
            {"MetricName": "m", "Value": 1.0, "Timestamp": NOW},
            {"MetricName": "m", "Values": [2.0, 3.0], "Counts": [2.0, 1.0], "Timestamp": NOW},
            {"MetricName": "m", "Values": [7.0], "Timestamp": NOW},
            {
                "MetricName": "m",
                "StatisticValues": {"SampleCount": 2, "Sum": 22, "Minimum": 10, "Maximum": 12},
                "Timestamp": NOW,
            },
        ],
    )
    point = one_point(cloudwatch, "Ways")
    assert {name: point[name] for name in ("SampleCount", "Sum", "Minimum", "Maximum", "Average")} == {
        "SampleCount": 7.0,
        "Sum": 37.0,
        "Minimum": 1.0,
        "Maximum": 12.0,
        "Average": 37 / 7,
    }


def test_units_are_not_added_up(cloudwatch):
    for unit, value in (("Seconds", 1.0), ("Milliseconds", 5.0)):
        put(cloudwatch, "Units", Value=value, Unit=unit)
    assert one_point(cloudwatch, "Units", "Sum", Unit="Seconds")["Sum"] == 1.0
    found = cloudwatch.get_metric_statistics(
        Namespace="Units",
        MetricName="m",
        StartTime=NOW - timedelta(hours=1),
        EndTime=NOW + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )
    assert {point["Unit"]: point["Sum"] for point in found["Datapoints"]} == {
        "Seconds": 1.0,
        "Milliseconds": 5.0,
    }


def test_metrics_are_listed_by_name_and_dimensions(cloud, cloudwatch):
    for name in ("a", "b"):
        for dimensions in ([], [{"Name": "Job", "Value": "j1"}], [{"Name": "Job", "Value": "j2"}]):
            datum = {"MetricName": name, "Dimensions": dimensions, "Value": 1}
            cloudwatch.put_metric_data(Namespace="List", MetricData=[datum])

    def listed(**request):
        pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="List", **request)
        return [
            (metric["MetricName"], *(item["Value"] for item in metric["Dimensions"]))
            for page in pages
            for metric in page["Metrics"]
        ]

    assert listed() == [(name, *job) for name in "ab" for job in (("j1",), ("j2",), ())]
    assert listed(MetricName="b", RecentlyActive="PT3H") == [("b", "j1"), ("b", "j2"), ("b",)]
    assert listed(Dimensions=[{"Name": "Job"}], MetricName="a") == [("a", "j1"), ("a", "j2")]
    assert listed(Dimensions=[{"Name": "Job", "Value": "j2"}]) == [("a", "j2"), ("b", "j2")]
    assert cloud.client(region="eu-west-1").list_metrics()["Metrics"] == []


def test_many_metrics_come_in_pages(cloudwatch, monkeypatch):
    monkeypatch.setattr("wildsage.services.cloudwatch.metrics._PAGE", 3)
    data = [{"MetricName": f"m{number}", "Value": 1, "Dimensions": []} for number in range(8)]
    cloudwatch.put_metric_data(Namespace="Pages", MetricData=data)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Pages"))
    assert [len(page["Metrics"]) for page in pages] == [3, 3, 2]
    token = pages[0]["NextToken"]
    message = refused("InvalidNextToken", cloudwatch.list_metrics, Namespace="Other", NextToken=token)
    assert "same parameters" in message


@pytest.mark.parametrize(
    ("datum", "code", "said"),
    [
        ({}, "InvalidParameterCombination", "At least one of the parameters MetricData.member.1.Value"),
        ({"Value": 1, "Values": [1]}, "InvalidParameterCombination", "mutually exclusive"),
        ({"Values": [1, 2], "Counts": [1]}, "InvalidParameterCombination", "same size"),
        ({"Values": []}, "InvalidParameterCombination", "at least one value"),
        ({"Values": [1] * 151}, "InvalidParameterValue", "greater than 150"),
        ({"Values": [1], "Counts": [0]}, "InvalidParameterValue", "greater than 0"),
        ({"Value": 2.0**361}, "InvalidParameterValue", "2^360"),
        ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue", "1 or 60"),
        ({"Value": 1, "Timestamp": NOW - timedelta(days=15)}, "InvalidParameterValue", "two weeks"),
        ({"Value": 1, "Timestamp": NOW + timedelta(hours=3)}, "InvalidParameterValue", "two hours"),
        ({"Value": 1, "Unit": "Parsec"}, "ValidationError", "Parsec"),
        (
            {"Value": 1, "Dimensions": [{"Name": "a", "Value": "b"}] * 2},
            "InvalidParameterValue",
            "same dimension name twice",
        ),
        (
            {"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
            "must not be greater than Maximum",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_with_all_that_came_with_it(cloudwatch, datum, code, said):
    good = {"MetricName": "good", "Value": 1}
    data = [{"MetricName": "m", **datum}, good]
    assert said in refused(code, cloudwatch.put_metric_data, Namespace="Refused", MetricData=data)
    assert cloudwatch.list_metrics(Namespace="Refused")["Metrics"] == []


def test_what_a_request_as_a_whole_may_not_be(cloudwatch):
    call = cloudwatch.put_metric_data
    data = [{"MetricName": "m", "Value": 1}]
    assert "AWS/EC2" in refused("InvalidParameterValue", call, Namespace="AWS/EC2", MetricData=data)
    refused("MissingParameter", call, Namespace="N", MetricData=[])
    assert "1000" in refused("InvalidParameterValue", call, Namespace="N", MetricData=data * 1001)
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException):
        call(Namespace="AWS/EC2", MetricData=data)


def test_what_is_not_there_yet_is_said(cloudwatch):
    with pytest.raises(ClientError, match=r"PutDashboard .* is not implemented yet"):
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody="{}")
    with pytest.raises(ClientError, match=r"PutCompositeAlarm .* is not implemented yet"):
        cloudwatch.put_composite_alarm(AlarmName="a", AlarmRule="ALARM(b)")


def test_seconds_are_seen_in_short_periods_only_where_they_were_kept(cloudwatch):
    second = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    put(cloudwatch, "Seconds", Value=1, Timestamp=second, StorageResolution=1)
    put(cloudwatch, "Seconds", Value=2, Timestamp=second)

    def values(period):
        found = cloudwatch.get_metric_statistics(
            Namespace="Seconds",
            MetricName="m",
            StartTime=second - timedelta(seconds=60),
            EndTime=second + timedelta(seconds=60),
            Period=period,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    assert (values(1), values(60)) == (1.0, 3.0)


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_every_protocol_of_the_service_says_the_same(cloud, protocol):
    client, namespace = cloud.client(protocol), f"Protocol/{protocol}"
    many = [{"MetricName": "m", "Values": [1.5, 2.5], "Counts": [1.0, 3.0], "Timestamp": NOW}] * 300
    client.put_metric_data(Namespace=namespace, MetricData=many)  # long enough to be compressed
    point = one_point(client, namespace, "Average", "SampleCount", ExtendedStatistics=["p50"])
    assert (point["Average"], point["SampleCount"]) == (2.25, 1200.0)
    assert point["ExtendedStatistics"] == {"p50": 2.5}
    message = refused("InvalidParameterValue", client.put_metric_data, Namespace="AWS/X", MetricData=many)
    assert "AWS/ is reserved" in message
    absent = {"AlarmName": "absent", "StateValue": "OK", "StateReason": "r"}
    assert "absent" in refused("ResourceNotFound", client.set_alarm_state, http_status=404, **absent)
