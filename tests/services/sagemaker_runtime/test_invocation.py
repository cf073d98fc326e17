import asyncio

import pytest

from wildsage.core.errors import ServiceError
from wildsage.core.instruments import Instruments
from wildsage.core.streams import ByteStream
from wildsage.formats.exposition import render
from wildsage.hosting.client import (
    BadReplyError,
    CallTimeoutError,
    ConnectionLostError,
    NotConnectedError,
    Reply,
)
from wildsage.services.sagemaker_runtime.invocation import Invocations
from wildsage.serving.router import EndpointRoute, RouteKey, Router, VariantRoute
from wildsage.serving.worker import LARGEST_PAYLOAD


class Target:
    """A worker that does what the test says."""

    log_stream = "AllTraffic/i-0"

    def __init__(self, *answers, outstanding=0):
        self.answers = list(answers)
        self.ready = True
        self.outstanding = outstanding
        self.seen = []

    async def invoke(self, body, headers):
        self.seen.append((body, dict(headers)))
        answer = self.answers.pop(0) if self.answers else Reply(200, b"fine", {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def doubt(self):
        self.ready = False


def runtime(*targets, patience=0.05, account="123456789012", region="us-west-2"):
    router = Router(patience=patience)
    variant = VariantRoute("AllTraffic", 1.0, targets)
    router.publish(RouteKey(account, region, "live"), EndpointRoute((variant,)))
    return Invocations(router)


def invoke(service, context, **members):
    request = {"EndpointName": "live", "Body": b"1,2", **members}
    return asyncio.run(asyncio.wait_for(service.invoke(context, request), 10))


def refused(service, context, **members):
    with pytest.raises(ServiceError) as caught:
        invoke(service, context, **members)
    return caught.value


def test_headers_go_both_ways(context):
    target = Target(
        Reply(200, b"0.5", {"content-type": "text/csv", "x-amzn-sagemaker-custom-attributes": "trace=1"})
    )
    response = invoke(
        runtime(target),
        context,
        ContentType="text/csv",
        Accept="text/csv",
        CustomAttributes="c=1",
        InferenceId="i-1",
        TargetVariant="AllTraffic",
    )
    assert response == {
        "Body": b"0.5",
        "ContentType": "text/csv",
        "CustomAttributes": "trace=1",
        "InvokedProductionVariant": "AllTraffic",
    }
    assert target.seen == [
        (
            b"1,2",
            {
                "Content-Type": "text/csv",
                "Accept": "text/csv",
                "X-Amzn-SageMaker-Custom-Attributes": "c=1",
                "X-Amzn-SageMaker-Inference-Id": "i-1",
            },
        )
    ]


def test_what_was_not_given_is_not_sent(context):
    target = Target(Reply(204, b"", {}))
    response = invoke(runtime(target), context, Body=ByteStream.of(b"x"))
    assert target.seen == [(b"x", {})]
    assert (response["Body"], response["ContentType"], response["CustomAttributes"]) == (b"", None, None)


def test_an_unknown_endpoint_is_not_found_in_this_account_and_region(context):
    for service, name in (
        (runtime(Target()), "other"),
        (runtime(Target(), account="999999999999"), "live"),
        (runtime(Target(), region="eu-west-1"), "live"),
    ):
        error = refused(service, context, EndpointName=name)
        assert (error.code, error.status) == ("ValidationError", 400)
        assert error.message == f"Endpoint {name} of account 123456789012 not found."


def test_an_unknown_variant_is_named_with_those_there_are(context):
    error = refused(runtime(Target()), context, TargetVariant="Shadow")
    assert error.message == "Variant Shadow of endpoint live not found: it has AllTraffic"


@pytest.mark.parametrize(
    ("status", "side"), [(400, "client"), (415, "client"), (500, "server"), (302, "server")]
)
def test_a_models_own_error_is_a_model_error(context, status, side):
    error = refused(runtime(Target(Reply(status, b'bad "row"', {}))), context)
    assert (error.code, error.status) == ("ModelError", 424)
    assert error.message == (
        f'Received {side} error ({status}) from primary with message "bad "row"".'
        " See https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2"
        "#logEventViewer:group=/aws/sagemaker/Endpoints/live in account 123456789012 for more information."
    )
    assert error.members == {
        "OriginalStatusCode": status,
        "OriginalMessage": 'bad "row"',
        "LogStreamArn": "arn:aws:logs:us-west-2:123456789012:log-group:/aws/sagemaker/Endpoints/live",
    }


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (CallTimeoutError("no response within 60 s"), 0, "Your invocation timed out while waiting"),
        (ConnectionLostError("the container closed"), 0, "the container closed"),
        (
            BadReplyError("larger than"),
            500,
            "from primary and could not load the entire response body. See https",
        ),
    ],
)
def test_no_answer_is_a_model_error_and_the_worker_is_doubted(context, failure, status, said):
    target, other = Target(failure), Target(outstanding=1)
    error = refused(runtime(target, other), context)
    assert (error.code, error.members["OriginalStatusCode"]) == ("ModelError", status)
    assert said in error.message
    assert not target.ready
    assert not other.seen, "what may have been processed is not repeated"


def test_what_was_never_sent_goes_to_another_worker(context):
    gone, there = Target(NotConnectedError("nobody")), Target(Reply(200, b"ok", {}), outstanding=1)
    assert invoke(runtime(gone, there), context)["Body"] == b"ok"
    assert not gone.ready


def test_without_a_worker_the_service_is_unavailable(context):
    error = refused(runtime(Target(NotConnectedError("nobody"))), context)
    assert (error.code, error.status) == ("ServiceUnavailable", 503)
    assert "no worker became ready within 0.05 s" in error.message


def test_an_endpoint_whose_workers_are_all_busy_says_so(context):
    error = refused(runtime(Target(outstanding=256)), context)
    assert (error.code, error.status) == ("ServiceUnavailable", 503)
    assert "256 invocations" in error.message


def test_a_payload_above_25_mb_is_refused(context):
    target = Target()
    assert invoke(runtime(target), context, Body=b"x" * LARGEST_PAYLOAD)["Body"] == b"fine"
    for body in (b"x" * (LARGEST_PAYLOAD + 1), ByteStream.of(b"x" * (LARGEST_PAYLOAD + 1))):
        error = refused(runtime(target), context, Body=body)
        assert (error.code, error.status) == ("413", 413)
        assert error.message == "HTTP content length exceeded 26214400 bytes."
    assert len(target.seen) == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "caf\u00e9", "a\0b"])
def test_a_header_cannot_bring_another(context, value):
    error = refused(runtime(Target()), context, CustomAttributes=value)
    assert (error.code, error.status) == ("ValidationError", 400)
    assert "must be one line of ASCII" in error.message


def test_every_call_of_a_model_is_counted_with_its_status(context):
    counted = []
    router = runtime(Target(Reply(200, b"", {}), Reply(404, b"", {}), CallTimeoutError("slow")))._router
    service = Invocations(router, count=lambda *call: counted.append(call))
    invoke(service, context)
    refused(service, context)
    refused(service, context)
    refused(service, context, EndpointName="other")
    place = ("123456789012", "us-west-2", "live", "AllTraffic")
    assert [(call[0], call[1]) for call in counted] == [(place, 200), (place, 404), (place, 0)]
    assert all(seconds >= 0 for call in counted for seconds in call[2:])


def test_latencies_are_counted_by_endpoint_and_variant_for_as_long_as_it_is_served(context):
    router, instruments = Router(patience=0.05), Instruments()
    key = RouteKey("123456789012", "us-west-2", "live")
    target = Target(Reply(200, b"fine", {}), Reply(500, b"no", {}), ConnectionLostError("gone"))
    router.publish(key, EndpointRoute((VariantRoute("A", 1.0, (target,)),)))
    service = Invocations(router, instruments)
    invoke(service, context)
    for _ in range(2):
        refused(service, context)
    labels = 'account="123456789012",region="us-west-2",endpoint="live",variant="A"'
    assert f"wildsage_model_latency_seconds_count{{{labels}}} 2" in render(instruments.collect()).decode()
    service.forget_gone()
    assert labels in render(instruments.collect()).decode()
    router.withdraw(key)
    service.forget_gone()
    assert labels not in render(instruments.collect()).decode()
