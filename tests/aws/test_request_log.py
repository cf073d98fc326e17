"""One line and one count for a request, and nothing in them that was in the request."""

import json
import logging
import sqlite3

import pytest
from tests.aws.support import believe, request
from tests.aws.test_gateway import answering, failing

from wildsage.aws.gateway import Gateway
from wildsage.aws.http import HttpResponse
from wildsage.core.clock import SystemClock
from wildsage.core.errors import ValidationError
from wildsage.core.instruments import Instruments
from wildsage.formats.exposition import render
from wildsage.observe.server_log import JsonLines

SECRET = "hunter2"


def lines(caplog):
    return [
        json.loads(JsonLines().format(record))
        for record in caplog.records
        if record.name == "wildsage.request"
    ]


def call(gateway, operation, body):
    import asyncio

    headers = {"x-amz-target": f"SageMaker.{operation}", "content-type": "application/x-amz-json-1.1"}
    sent = request(service="sagemaker", headers=headers, body=json.dumps(body).encode())
    return asyncio.run(gateway.answer(sent))


@pytest.fixture
def instruments():
    return Instruments()


def gateway(instruments, handlers, internal=None):
    return Gateway(
        {"sagemaker": handlers}, believe, lambda *_: None, internal or {}, SystemClock(), instruments
    )


def test_an_error_is_a_line_with_its_code_and_without_its_text(caplog, instruments):
    made = gateway(instruments, {"DescribeModel": failing(ValidationError(f"not {SECRET}"))})
    with caplog.at_level(logging.INFO, "wildsage"):
        response = call(made, "DescribeModel", {"ModelName": SECRET})
    (line,) = lines(caplog)
    request_id = dict(response.headers)["x-amzn-RequestId"]
    assert line | {"time": "", "duration_ms": 0} == {
        "time": "",
        "level": "info",
        "logger": "wildsage.request",
        "message": "sagemaker DescribeModel -> 400 ValidationException",
        "request_id": request_id,
        "service": "sagemaker",
        "operation": "DescribeModel",
        "account": "123456789012",
        "region": "us-west-2",
        "status": 400,
        "code": "ValidationException",
        "duration_ms": 0,
    }
    assert 0 <= line["duration_ms"] < 10_000
    assert SECRET not in json.dumps(line)
    assert "Signature" not in json.dumps(line)


def test_reads_are_told_to_those_who_debug_and_changes_to_everybody(caplog, instruments):
    handlers = {"DescribeModel": answering({}), "CreateModel": answering({"ModelArn": "arn"})}
    made = gateway(instruments, handlers)
    create = {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}
    with caplog.at_level(logging.INFO, "wildsage"):
        call(made, "DescribeModel", {"ModelName": "m"})
        call(made, "CreateModel", create)
        assert [line["operation"] for line in lines(caplog)] == ["CreateModel"]
    with caplog.at_level(logging.DEBUG, "wildsage"):
        call(made, "DescribeModel", {"ModelName": "m"})
    assert [line["operation"] for line in lines(caplog)] == ["CreateModel", "DescribeModel"]


def test_requests_are_counted_by_operation_and_code(instruments):
    made = gateway(instruments, {"DescribeModel": answering({})})
    call(made, "DescribeModel", {"ModelName": "m"})
    call(made, "DescribeModel", {})
    call(made, "DescribeApp", {})
    text = render(instruments.collect()).decode()
    counted = 'wildsage_requests_total{service="sagemaker",operation='
    assert f'{counted}"DescribeModel",status="200",code=""}} 1' in text
    assert f'{counted}"DescribeModel",status="400",code="ValidationException"}} 1' in text
    assert f'{counted}"DescribeApp",status="400",code="NotImplementedException"}} 1' in text
    assert 'wildsage_request_duration_seconds_count{service="sagemaker",operation="DescribeModel"} 2' in text


def full():
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def test_a_full_disk_is_told_with_what_to_do(instruments):
    made = gateway(instruments, {"DescribeModel": failing(full())})
    response = call(made, "DescribeModel", {"ModelName": "m"})
    body = json.loads(response.body)
    assert (response.status, body["__type"]) == (507, "InsufficientStorage")
    assert "wildsage du" in (body.get("message") or body["Message"])


async def tell(_request):
    return HttpResponse(200, [], b"told")


@pytest.mark.parametrize(
    ("method", "target", "headers", "told"),
    [
        ("GET", "/metrics", {}, True),
        ("HEAD", "/metrics", {}, True),
        ("PUT", "/metrics", {}, False),
        ("GET", "/metrics/", {}, False),
        ("GET", "/metrics?list-type=2", {}, False),
        ("GET", "/metrics", {"authorization": "AWS4-HMAC-SHA256 x"}, False),
        ("GET", "/metrics", {"host": "bucket.s3.amazonaws.com"}, False),
    ],
)
def test_a_bucket_called_metrics_stays_a_bucket(instruments, method, target, headers, told):
    import asyncio

    made = gateway(instruments, {}, {"/metrics": tell})
    response = asyncio.run(made.answer(request(method, target, headers=headers)))
    assert (response.body == b"told") is told
