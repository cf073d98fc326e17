"""GetMetricStatistics and GetMetricData, through boto3."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.refusals import refused

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


def minute(number):
    return HOUR + timedelta(minutes=number)


@pytest.fixture(scope="module")
def metrics(cloudwatch):
    """Requests: 1, 2, … at each minute of the hour; errors: 1 at each second minute."""
    data = [{"MetricName": "Requests", "Value": n + 1, "Timestamp": minute(n)} for n in range(60)]
    data += [{"MetricName": "Errors", "Value": 1, "Timestamp": minute(n)} for n in range(0, 60, 2)]
    cloudwatch.put_metric_data(Namespace="Data", MetricData=data)
    return cloudwatch


def stat(name, statistic="Sum", period=60, **rest):
    metric = {"Namespace": "Data", "MetricName": name}
    return {"MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}, **rest}


def get(client, *queries, minutes=(0, 10), **request):
    return client.get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=minute(minutes[0]),
        EndTime=minute(minutes[1]),
        ScanBy="TimestampAscending",
        **request,
    )


def values(answer):
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


def test_statistics_by_period(metrics):
    found = metrics.get_metric_statistics(
        Namespace="Data",
        MetricName="Requests",
        StartTime=minute(3),
        EndTime=minute(13),
        Period=300,
        Statistics=["Sum", "SampleCount", "Maximum"],
        ExtendedStatistics=["p50", "TM(20%:80%)"],
    )
    assert found["Label"] == "Requests"
    points = sorted(found["Datapoints"], key=lambda point: point["Timestamp"])
    assert [point["Timestamp"] for point in points] == [minute(3), minute(8)]
    assert [(point["Sum"], point["SampleCount"], point["Maximum"]) for point in points] == [
        (4 + 5 + 6 + 7 + 8, 5, 8),
        (9 + 10 + 11 + 12 + 13, 5, 13),
    ]
    assert points[0]["ExtendedStatistics"] == {"p50": 6.0, "TM(20%:80%)": 6.0}


def test_what_statistics_refuse(metrics):
    base = {
        "Namespace": "Data",
        "MetricName": "Requests",
        "StartTime": minute(0),
        "EndTime": minute(10),
        "Period": 60,
        "Statistics": ["Sum"],
    }
    for change, code, said in (
        ({"Period": 61}, "InvalidParameterValue", "multiple of 60"),
        ({"EndTime": minute(0)}, "InvalidParameterCombination", "must be less than"),
        ({"StartTime": HOUR - timedelta(days=2)}, "InvalidParameterCombination", "limit of 1440"),
        ({"ExtendedStatistics": ["p101"]}, "InvalidParameterValue", "p101"),
        ({"ExtendedStatistics": ["Sum"]}, "InvalidParameterValue", "Sum"),
    ):
        assert said in refused(code, metrics.get_metric_statistics, **{**base, **change})
    del base["Statistics"]
    refused("MissingParameter", metrics.get_metric_statistics, **base)


def test_a_metric_that_is_not_there_has_no_values(metrics):
    answer = get(metrics, stat("Nothing", Id="a"))
    (result,) = answer["MetricDataResults"]
    assert (result["Values"], result["StatusCode"], answer["Messages"]) == ([], "Complete", [])
    assert "NextToken" not in answer


def test_math_over_metrics_that_are_not_shown_themselves(metrics):
    answer = get(
        metrics,
        stat("Requests", Id="requests", ReturnData=False),
        stat("Errors", Id="errors", ReturnData=False),
        {"Id": "share", "Expression": "100 * FILL(errors, 0) / requests", "Label": "Errors (%)"},
        {"Id": "total", "Expression": "SUM(METRICS())"},
        {"Id": "peak", "Expression": "IF(requests > 3, requests, 0) * (PERIOD(requests) / 60)"},
        minutes=(0, 4),
    )
    assert values(answer) == {
        "share": [100.0, 0.0, pytest.approx(100 / 3), 0.0],
        "total": [2.0, 2.0, 4.0, 4.0],
        "peak": [0.0, 0.0, 0.0, 4.0],
    }
    assert [result["Label"] for result in answer["MetricDataResults"]] == ["Errors (%)", "total", "peak"]
    assert answer["MetricDataResults"][0]["Timestamps"] == [minute(number) for number in range(4)]


def test_the_latest_comes_first_unless_asked_otherwise(metrics):
    request = {
        "MetricDataQueries": [stat("Requests", Id="a")],
        "StartTime": minute(0),
        "EndTime": minute(3),
    }
    assert metrics.get_metric_data(**request)["MetricDataResults"][0]["Values"] == [3.0, 2.0, 1.0]


def test_periods_of_an_hour_are_hours_of_the_clock(metrics):
    answer = get(metrics, stat("Requests", period=3600, Id="a"), minutes=(7, 60))
    (result,) = answer["MetricDataResults"]
    assert (result["Timestamps"], result["Values"]) == ([HOUR], [60 * 61 / 2])


def test_results_come_in_pages_of_data_points(metrics):
    queries = [stat("Requests", Id="a"), stat("Errors", Id="b")]
    pages = metrics.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries,
        StartTime=minute(0),
        EndTime=minute(10),
        ScanBy="TimestampAscending",
        MaxDatapoints=4,
    )
    shown, collected = [], {"a": [], "b": []}
    for page in pages:
        for result in page["MetricDataResults"]:
            collected[result["Id"]] += result["Values"]
        shown.append([(item["Id"], item["StatusCode"]) for item in page["MetricDataResults"]])
    assert collected == {"a": [float(n) for n in range(1, 11)], "b": [1.0] * 5}
    assert shown == [
        [("a", "PartialData")],
        [("a", "PartialData")],
        [("a", "Complete"), ("b", "PartialData")],
        [("b", "Complete")],
    ]
    assert refused(
        "InvalidNextToken",
        metrics.get_metric_data,
        MetricDataQueries=queries,
        StartTime=minute(0),
        EndTime=minute(10),
        NextToken="x",
    )


def test_a_search_finds_metrics(metrics):
    answer = get(
        metrics,
        {"Id": "all", "Expression": "SEARCH('{Data} MetricName=\"Requests\" OR errors', 'Sum', 300)"},
        {"Id": "sum", "Expression": "SUM(all)"},
        minutes=(0, 5),
    )
    assert sorted((r["Id"], r["Label"], r["Values"][0]) for r in answer["MetricDataResults"]) == [
        ("all", "Errors", 3.0),
        ("all", "Requests", 15.0),
        ("sum", "sum", 18.0),
    ]


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("plain", "plain"),
        ("${LABEL}: ${MAX} of ${SUM}", "Requests: 3 of 6"),
        ("${PROP('MetricName')} ${PROP('Stat')} ${PROP('Region')}", "Requests Sum us-west-2"),
        ("${AVG} ${FIRST} ${LAST} ${DATAPOINT_COUNT} ${MIN_MAX_RANGE}", "2 1 3 3 2"),
        ("${SOMETHING} ${PROP('Dim.X')}", "${SOMETHING} ${PROP('Dim.X')}"),
    ],
)
def test_labels_are_filled(metrics, label, shown):
    answer = get(metrics, stat("Requests", Id="a", Label=label), minutes=(0, 3))
    assert answer["MetricDataResults"][0]["Label"] == shown


def test_times_in_labels_have_the_zone_that_is_asked_for(metrics):
    query = stat("Requests", Id="a", Label="${LAST_TIME}")
    answer = get(metrics, query, minutes=(0, 3), LabelOptions={"Timezone": "-0130"})
    expected = (minute(2) - timedelta(minutes=90)).strftime("%Y-%m-%d %H:%M:%S")
    assert answer["MetricDataResults"][0]["Label"] == expected
    assert "+0130" in refused(
        "ValidationError",
        metrics.get_metric_data,
        MetricDataQueries=[query],
        StartTime=minute(0),
        EndTime=minute(1),
        LabelOptions={"Timezone": "CET"},
    )


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([stat("Requests", Id="a"), stat("Requests", Id="a")], "not unique"),
        ([stat("Requests", Id="A")], "expected pattern"),
        ([stat("Requests", Id="a", ReturnData=False)], "ReturnData = true"),
        ([{"Id": "a"}], "MetricStat is required"),
        ([stat("Requests", Id="a", Expression="b")], "mutually exclusive"),
        ([stat("Requests", "Median", Id="a")], "Median"),
        ([stat("Requests", period=7, Id="a")], "multiple of 60"),
        ([{"Id": "a", "Expression": "b + 1"}], "no query with the id 'b'"),
        ([{"Id": "a", "Expression": "b + 1"}, {"Id": "b", "Expression": "a"}], "circle"),
        ([{"Id": "a", "Expression": "1 + 1"}], "single number"),
        ([{"Id": "a", "Expression": "1 +"}], "cannot be read"),
        ([{"Id": "a", "Expression": "INSIGHT_RULE_METRIC('x')"}], "INSIGHT_RULE_METRIC is not supported"),
        ([{"Id": "a", "Expression": "CEIL(1e400)"}], "too large"),
        (
            [{"Id": f"a{n}", "Expression": f"a{n + 1} + 1"} for n in range(499)]
            + [{"Id": "a499", "Expression": "1"}],
            "in a row",
        ),
        ([{"Id": "a", "Expression": "SELECT AVG(x) FROM y"}], "Metrics Insights"),
    ],
)
def test_queries_that_break_a_rule_say_which(metrics, queries, said):
    message = refused(
        "ValidationError",
        metrics.get_metric_data,
        MetricDataQueries=queries,
        StartTime=minute(0),
        EndTime=minute(1),
    )
    assert said in message
