"""Metric filters: from a log line to a metric."""

import asyncio
import json
import time

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refused

from wildsage.formats.logframes import encode_frame
from wildsage.store.metrics import Metric, MetricStore

NOW = int(time.time() * 1000)


def put_filter(logs, name="f", pattern="ERROR", value="1", group="g", **metric):
    logs.put_metric_filter(
        logGroupName=group,
        filterName=name,
        filterPattern=pattern,
        metricTransformations=[
            {"metricNamespace": "App", "metricName": name, "metricValue": value, **metric}
        ],
    )


def put(logs, *lines):
    events = [{"timestamp": NOW, "message": line} for line in lines]
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)


def totals(cloud, name, *dimensions):
    """Return count and sum of a metric since the last call for the same one."""
    store = MetricStore(cloud.store.database)
    metric = Metric("123456789012", "us-west-2", "App", name, dimensions)
    found = [point.values for series in store.series(metric) for point in store.points(series.id, 0, 10**10)]
    asyncio.run(store.expire(10**10))
    return sum(one.count for one in found), sum(one.total for one in found)


@pytest.fixture(autouse=True)
def group(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")


def test_lines_that_match_are_counted_as_they_come_in(cloud, logs):
    put(logs, "ERROR before")
    put_filter(logs, "errors")
    put(logs, "ERROR a", "fine", "ERROR b")
    assert totals(cloud, "errors") == (2, 2)
    logs.delete_metric_filter(logGroupName="g", filterName="errors")
    put(logs, "ERROR after")
    assert totals(cloud, "errors") == (0, 0)


def test_lines_of_a_job_are_counted_once(cloud, logs):
    put_filter(logs, "lines", '"loss"')
    stream = asyncio.run(cloud.store.attach("123456789012", "us-west-2", "g", "job/algo-1", NOW / 1000))
    stream.path.write_bytes(encode_frame(NOW, b"loss=1") + encode_frame(NOW, b"other"))
    for _ in range(3):
        asyncio.run(cloud.store.scan(stream.id, "arn", lambda _frame: (), NOW / 1000))
    assert totals(cloud, "lines") == (1, 1)


def test_values_and_dimensions_come_from_the_line(cloud, logs):
    put_filter(logs, "took", "{ $.took >= 0 }", "$.took", unit="Milliseconds", dimensions={"Path": "$.path"})
    lines = [{"took": 5, "path": "/a"}, {"took": 7, "path": "/a"}, {"took": 1, "path": "/b"}, {"took": 3}]
    put(logs, *map(json.dumps, lines))
    assert totals(cloud, "took", ("Path", "/a")) == (2, 12)
    assert totals(cloud, "took", ("Path", "/b")) == (0, 0)  # both went with the first look


def test_where_nothing_matches_the_default_value_is_reported(cloud, logs):
    put_filter(logs, "bytes", "[..., bytes]", "$bytes", defaultValue=0.0)
    put(logs, "GET /a 10", "GET /b x")
    assert totals(cloud, "bytes") == (1, 10)
    put(logs, "GET /b x")
    assert totals(cloud, "bytes") == (1, 0)


def test_filters_are_listed_by_what_they_are(cloud, logs):
    logs.create_log_group(logGroupName="h")
    for group in "gh":
        for name in ("a1", "a2", "b"):
            put_filter(logs, name, group=group)

    def listed(**request):
        pages = logs.get_paginator("describe_metric_filters").paginate(
            **request, PaginationConfig={"PageSize": 2}
        )
        return [
            (item["logGroupName"], item["filterName"]) for page in pages for item in page["metricFilters"]
        ]

    assert listed() == [(group, name) for group in "gh" for name in ("a1", "a2", "b")]
    assert listed(logGroupName="g", filterNamePrefix="a") == [("g", "a1"), ("g", "a2")]
    assert listed(metricName="b", metricNamespace="App") == [("g", "b"), ("h", "b")]
    (group,) = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"]
    assert group["metricFilterCount"] == 3
    put_filter(logs, "a1", "OTHER")
    found = logs.describe_metric_filters(logGroupName="g", filterNamePrefix="a1")["metricFilters"][0]
    assert found["filterPattern"] == "OTHER"
    assert found["metricTransformations"] == [
        {"metricNamespace": "App", "metricName": "a1", "metricValue": "1"}
    ]
    assert NOW <= found["creationTime"] <= time.time() * 1000
    logs.delete_log_group(logGroupName="h")
    assert len(listed()) == 3


def test_a_pattern_can_be_tried_out(logs):
    answer = logs.test_metric_filter(
        filterPattern="[ip, ..., status = 4*]", logEventMessages=["1.2.3.4 GET 200", "1.2.3.4 GET 404"]
    )
    assert answer["matches"] == [
        {
            "eventNumber": 2,
            "eventMessage": "1.2.3.4 GET 404",
            "extractedValues": {"$ip": "1.2.3.4", "$status": "404"},
        }
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pattern": "{ $.a"}, "closing brace"),
        ({"value": "many"}, "metricValue"),
        ({"value": "$.a"}, "JSON and space-delimited"),
        ({"pattern": "[a]", "dimensions": {"A": "$a"}, "defaultValue": 0.0}, "mutually exclusive"),
        ({"pattern": "[a]", "dimensions": dict.fromkeys("ABCD", "$a")}, "at most 3"),
    ],
)
def test_filters_that_break_a_rule_are_refused(logs, change, said):
    with pytest.raises(ClientError, match=said):
        put_filter(logs, **change)
    assert logs.describe_metric_filters()["metricFilters"] == []


def test_a_filter_or_group_that_is_not_there(logs):
    refused("ResourceNotFoundException", logs.delete_metric_filter, logGroupName="g", filterName="absent")
    refused("ResourceNotFoundException", logs.describe_metric_filters, logGroupName="absent")
    refused("InvalidParameterException", logs.describe_metric_filters, metricName="alone")
