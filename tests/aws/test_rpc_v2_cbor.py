"""One service in three protocols: each client is answered, errors included, in the one it chose."""

import asyncio
import io

import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.compat import urlencode
from botocore.exceptions import EventStreamError
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from tests.aws.support import ask, botocore_model, gateway

from wildsage.aws.model import Service
from wildsage.aws.protocols.cbor_codec import Timestamp, dumps, loads
from wildsage.aws.protocols.rpc_v2_cbor import RpcV2CborProtocol
from wildsage.core.errors import NotFoundError, ServiceError

PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
PATH = "/service/GraniteServiceVersion20100801/operation/"
CLOUDWATCH = botocore_model("cloudwatch")


def cbor(application, operation, body=b"\xa0", *, path=PATH, method="POST", **headers):
    """Send a document; return status, headers, and the answer's document."""
    fields = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor", **headers}
    status, answered, content = ask(
        application, method, path + operation, service="monitoring", headers=fields, body=body
    )
    return status, answered, loads(content) if content else None


def called(protocol, application, operation, **values):
    """Call as a client of botocore does; return what it makes of the answer."""
    model = CLOUDWATCH.operation_model(operation)
    made = create_serializer(protocol, include_validation=False).serialize_to_request(values, model)
    body = urlencode(made["body"]).encode() if isinstance(made["body"], dict) else made["body"]
    if isinstance(made["body"], dict):
        made["headers"]["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    prepare_request_dict(made, "http://h")
    status, headers, content = ask(
        application,
        made["method"],
        made["url"].removeprefix("http://h"),
        service="monitoring",
        headers=made["headers"],
        body=body,
    )
    answer = {"status_code": status, "headers": headers, "body": content}
    return headers, create_parser(protocol).parse(answer, model.output_shape)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_handler_does_not_see_the_protocol(protocol):
    async def data(_context, request):
        assert request == {"MetricDataQueries": [{"Id": "a"}], "StartTime": 1.0, "EndTime": 2.5}
        return {"MetricDataResults": [{"Id": "a", "Timestamps": [1.0, 2.5], "Values": [1.0, 0.1]}]}

    _, parsed = called(
        protocol,
        gateway({"cloudwatch": {"GetMetricData": data}}),
        "GetMetricData",
        MetricDataQueries=[{"Id": "a"}],
        StartTime=1,
        EndTime=2.5,
    )

    [result] = parsed["MetricDataResults"]
    assert result["Values"] == [1.0, 0.1]
    assert [moment.timestamp() for moment in result["Timestamps"]] == [1.0, 2.5]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("raised", ["InvalidParameterValue", "InvalidParameterValueException"])
def test_an_error_has_its_code_of_the_query_protocol_in_every_protocol(protocol, raised):
    async def fail(_context, _request):
        raise ServiceError("not that", code=raised, status=400)

    headers, parsed = called(protocol, gateway({"cloudwatch": {"ListMetrics": fail}}), "ListMetrics")

    assert parsed["Error"]["Code"] == "InvalidParameterValue"
    assert (parsed["Error"].get("Message"), parsed["Error"]["Type"]) == ("not that", "Sender")
    if protocol != "query":
        assert headers["x-amzn-query-error"] == "InvalidParameterValue;Sender"
        # What clients that do not look into the header find: the name of the shape.
        assert parsed["Error"]["QueryErrorCode"] == "InvalidParameterValueException"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_there_is_told_in_the_protocol_of_the_request(protocol):
    _, parsed = called(protocol, gateway(), "ListMetrics")

    assert parsed["Error"]["Code"] == "NotImplementedException"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_refusal_of_authentication_is_told_in_cbor():
    async def forbid(_request):
        raise ServiceError("no", code="InvalidSignatureException", status=403)

    status, headers, document = cbor(gateway(authenticate=forbid), "ListMetrics")

    assert (status, document) == (403, {"__type": "InvalidSignatureException", "message": "no"})
    assert (headers["content-type"], headers["smithy-protocol"]) == ("application/cbor", "rpc-v2-cbor")
    assert headers["x-amzn-requestid"]


def test_members_of_an_error_are_those_of_its_model():
    async def fail(_context, _request):
        raise NotFoundError("gone", code="ResourceNotFoundException", status=404, members={"ResourceId": "r"})

    status, _, document = cbor(
        gateway({"cloudwatch": {"GetDashboard": fail}}), "GetDashboard", dumps({"DashboardName": "d"})
    )

    assert status == 404
    assert document == {"__type": "ResourceNotFoundException", "message": "gone", "ResourceId": "r"}  # fmt: skip


def answering(seen):
    async def alarms(_context, request):
        seen.append(request)
        return {"MetricAlarms": [{"Threshold": 1, "StateUpdatedTimestamp": 1.5}]}

    return gateway({"cloudwatch": {"DescribeAlarms": alarms, "DeleteAlarms": _nothing}})


async def _nothing(_context, _request):
    return {}


def test_numbers_and_times_are_typed_in_the_answer():
    _, _, document = cbor(answering([]), "DescribeAlarms")

    [alarm] = document["MetricAlarms"]
    assert (alarm["Threshold"], type(alarm["Threshold"])) == (1.0, float)
    assert alarm["StateUpdatedTimestamp"] == Timestamp(1.5)


def test_an_operation_without_output_answers_without_a_body():
    status, _, document = cbor(answering([]), "DeleteAlarms", dumps({"AlarmNames": ["a"]}))

    assert (status, document) == (200, None)


@pytest.mark.parametrize("prefix", ["", "/prefix", "/a/b"])
@pytest.mark.parametrize("body", [b"", b"\xa0", b"\xbf\xff"])
def test_no_members_can_be_written_in_several_ways(prefix, body):
    seen = []

    status, _, _ = cbor(answering(seen), "DescribeAlarms", body, path=prefix + PATH)

    assert (status, seen) == (200, [{}])


def test_unknown_members_and_nulls_are_left_out():
    seen = []

    cbor(
        answering(seen), "DescribeAlarms", dumps({"Novelty": {"a": [1]}, "NextToken": None, "MaxRecords": 5})
    )

    assert seen == [{"MaxRecords": 5}]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"MaxRecords": "5"}, "STRING_VALUE can not be converted to an Integer (at MaxRecords)"),
        ({"MaxRecords": 1 << 40}, "(at MaxRecords)"),
        ({"NextToken": b"t"}, "BINARY_VALUE can not be converted to a String (at NextToken)"),
        ({"NextToken": Timestamp(1)}, "OTHER_VALUE can not be converted to a String (at NextToken)"),
        ({"AlarmNames": {"a": 1}}, "(at AlarmNames)"),
        ([], "Start of list"),
        ("text", "Expected null"),
    ],
)
def test_values_of_another_type_are_refused(value, said):
    status, _, document = cbor(answering([]), "DescribeAlarms", dumps(value))

    assert (status, document["__type"]) == (400, "SerializationException")
    assert said in document["message"]


@pytest.mark.parametrize(
    ("time", "said"), [(1, "with tag 1"), ("2024-01-01", "with tag 1"), (Timestamp(1e300), "is no timestamp")]
)
def test_a_time_is_a_tagged_number_of_seconds(time, said):
    application = gateway({"cloudwatch": {"DescribeAlarmHistory": _nothing}})

    status, _, document = cbor(application, "DescribeAlarmHistory", dumps({"StartDate": time}))

    assert (status, document["__type"]) == (400, "SerializationException")
    assert said in document["message"]


@pytest.mark.parametrize("number", ["f97e00", "fb7ff0000000000000"])
def test_numbers_that_are_none_are_refused(number):
    application = gateway({"cloudwatch": {"PutMetricAlarm": _nothing}})

    status, _, document = cbor(application, "PutMetricAlarm", b"\xa1\x69Threshold" + bytes.fromhex(number))

    assert (status, document["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"\x81" * 100_000, b"\xbb" + b"\x7f" * 8, b"\xa0\xa0", b"{}", b"\xff"])
def test_hostile_documents_are_refused(body):
    status, _, document = cbor(answering([]), "DescribeAlarms", body)

    assert (status, document["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", PATH, "ListMetrics"),
        ("POST", "/service/SageMaker/operation/", "ListMetrics"),
        ("POST", "/", ""),
        ("POST", PATH, ""),
        ("POST", PATH, "ListMetrics/more"),
        ("POST", PATH, "Nonsense"),
    ],
)
def test_paths_that_name_no_operation(method, path, operation):
    status, _, document = cbor(gateway(), operation, path=path, method=method)

    assert status == (400 if operation == "Nonsense" else 404)
    assert document["__type"] == "UnknownOperationException"


def test_events_are_written_in_cbor():
    # No model has such a stream yet: one that is json's is taken for it.
    theirs = botocore_model("logs")
    theirs = ServiceModel(
        {**theirs._service_description, "metadata": {**theirs.metadata, "protocol": "smithy-rpc-v2-cbor"}}
    )
    protocol = RpcV2CborProtocol(ours := Service("logs", theirs._service_description))
    message = {"message": "m", "timestamp": 1, "ingestionTime": 2}

    async def events():
        yield {"sessionUpdate": {"sessionMetadata": {"sampled": True}, "sessionResults": [message]}}
        raise ServiceError("too long", code="SessionTimeoutException")

    response = protocol.serialize(ours.operation("StartLiveTail"), {"responseStream": events()}, "the-id")

    async def collected():
        return await response.body.read(1 << 20)

    parsed = create_parser("smithy-rpc-v2-cbor").parse(
        {
            "status_code": response.status,
            "headers": {name.lower(): value for name, value in response.headers},
            "body": _RawStream(asyncio.run(collected())),
            "context": {"operation_name": "StartLiveTail"},
        },
        theirs.operation_model("StartLiveTail").output_shape,
    )
    received = iter(parsed["responseStream"])
    assert next(received)["sessionUpdate"]["sessionResults"] == [message]
    with pytest.raises(EventStreamError, match=r"\(SessionTimeoutException\).*too long"):
        next(received)


class _RawStream(io.BytesIO):
    def stream(self):
        yield self.read()
