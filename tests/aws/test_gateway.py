import asyncio
import json
import logging
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError
from tests.aws.support import ACCOUNT, ask, call_json, gateway, request
from tests.live import client, serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.http import ClientDisconnectedError, Headers, HttpResponse
from wildsage.aws.texts import load
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import AccessDeniedError, NotFoundError, ServiceError, ValidationError
from wildsage.core.streams import ByteStream
from wildsage.services import members
from wildsage.serving import worker


def answering(response):
    async def handler(context, request):
        return response(context, request) if callable(response) else response

    return handler


def failing(error):
    async def handler(context, request):
        raise error

    return handler


def test_a_handler_gets_the_request_and_its_context():
    seen = []

    async def handler(context, parsed):
        seen.append((context, parsed))
        return {}

    application = gateway({"sagemaker": {"DeleteModel": handler}})
    status, headers, body = ask(
        application,
        service="sagemaker",
        region="cn-north-1",
        headers={"x-amz-target": "SageMaker.DeleteModel"},
        body=b'{"ModelName": "m"}',
    )

    [(context, parsed)] = seen
    assert (status, body) == (200, b"")
    assert parsed == {"ModelName": "m"}
    assert (context.account, context.region, context.partition) == (ACCOUNT, "cn-north-1", "aws-cn")
    assert context.principal_arn.endswith("assumed-role/Tester/session")
    assert context.endpoint_url == "http://127.0.0.1:8172"
    assert context.request_id == headers["x-amzn-requestid"]


def test_steps_run_in_order_and_the_first_failure_wins():
    async def forbid(_request):
        raise ServiceError("no", code="InvalidSignatureException", status=403)

    status, body = call_json(gateway(authenticate=forbid), "NoSuchOperation", b"{broken")

    assert (status, body["__type"]) == (403, "InvalidSignatureException")


def test_authorization_stands_between_validation_and_the_handler():
    asked, called = [], []

    def refuse(context, service, operation, parsed):
        asked.append((context.principal_arn, service, operation, parsed))
        raise AccessDeniedError("not this one")

    async def handler(context, parsed):
        called.append(parsed)

    application = gateway({"sagemaker": {"DeleteModel": handler}}, authorize=refuse)

    status, body = call_json(application, "DeleteModel", {"ModelName": "-"})
    assert (status, body["__type"], asked) == (400, "ValidationException", [])
    status, body = call_json(application, "DeleteModel", {"ModelName": "m"})
    assert (status, body) == (403, {"__type": "AccessDeniedException", "message": "not this one"})
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/Tester/session"
    assert asked == [(principal, "sagemaker", "DeleteModel", {"ModelName": "m"})]
    assert called == []


@pytest.mark.parametrize(
    ("service", "headers", "target", "said"),
    [
        ("sagemaker", {"x-amz-target": "SageMaker.CreateModel"}, "/", "CreateModel of Amazon SageMaker Service"),
        ("sagemaker", {"x-amz-target": "SageMaker.Nonsense"}, "/", "has no operation 'Nonsense'"),
        ("sagemaker", {"x-amz-target": "Wrong.CreateModel"}, "/", "'Wrong.CreateModel' in the X-Amz-Target"),
        ("sagemaker", {"x-amz-target": "x"}, "/", "is no operation of Amazon SageMaker Service"),
        ("nonsense", {}, "/", "No service signs as 'nonsense'"),
        ("s3", {}, "/", "POST / is no operation of Amazon Simple Storage Service"),
        ("iam", {"content-type": "application/x-www-form-urlencoded"}, "/?Action=GetUser&Version=2010-05-08", "GetUser of AWS Identity"),
        ("iam", {"content-type": "application/x-www-form-urlencoded"}, "/?Action=GetUser&Version=1999-01-01", "for version 1999-01-01"),
        ("iam", {"content-type": "application/x-www-form-urlencoded"}, "/", "Could not find operation (none)"),
        ("ec2", {"content-type": "application/x-www-form-urlencoded"}, "/", "speaks ec2, which is not implemented yet"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_4xx_that_says_so(service, headers, target, said):
    status, _, body = ask(gateway(), "POST", target, service=service, headers=headers)

    assert 400 <= status < 500
    assert said in body.decode().replace("&apos;", "'")


def test_clients_of_ec2_read_that_it_is_not_there():
    with (
        serve(gateway()) as url,
        pytest.raises(ClientError, match="speaks ec2, which is not implemented") as raised,
    ):
        client("ec2", url).describe_instances()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("service", "method", "target", "headers", "form"),
    [
        ("sagemaker", "POST", "/", {"x-amz-target": "SageMaker.ListModels"}, '"__type":"SomeCode"'),
        ("sagemaker", "POST", "/endpoints/e/invocations", {}, '"message":"said" or "Message":"said"'),
        ("iam", "POST", "/", {"content-type": "application/x-www-form-urlencoded"}, "<ErrorResponse"),
        ("s3", "GET", "/bucket/key", {}, "<Error><Code>SomeCode</Code><Message>said</Message>"),
    ],
)
def test_an_error_of_authentication_has_the_shape_of_the_service(service, method, target, headers, form):
    async def forbid(_request):
        raise ServiceError("said", code="SomeCode", status=403)

    status, answered, body = ask(
        gateway(authenticate=forbid), method, target, service=service, headers=headers
    )

    assert status == 403
    assert any(part.strip("' ") in body.decode() for part in form.split(" or "))
    assert {"x-amzn-requestid", "x-amz-request-id"} & answered.keys()


def test_an_error_carries_its_modelled_members():
    error = NotFoundError("gone", code="ResourceNotFound", members={"Extra": 1})
    application = gateway({"sagemaker": {"DescribeModel": failing(error)}})

    status, body = call_json(application, "DescribeModel", {"ModelName": "m"})

    assert (status, body) == (400, {"__type": "ResourceNotFound", "Message": "gone", "Extra": 1})


def test_an_unexpected_exception_is_logged_and_not_told(caplog):
    application = gateway({"sagemaker": {"DescribeModel": failing(RuntimeError("the secret"))}})

    with caplog.at_level(logging.ERROR):
        status, body = call_json(application, "DescribeModel", {"ModelName": "m"})

    assert (status, body["__type"]) == (500, "InternalFailure")
    assert "secret" not in json.dumps(body)
    assert "the secret" in caplog.text


def test_a_response_that_the_model_does_not_have_is_our_fault(caplog):
    application = gateway({"sagemaker": {"DescribeModel": answering({"Nonsense": 1})}})

    status, body = call_json(application, "DescribeModel", {"ModelName": "m"})

    assert (status, body["__type"]) == (500, "InternalFailure")
    assert "has no member 'Nonsense'" in caplog.text


def test_members_that_are_none_are_not_sent():
    application = gateway({"sagemaker": {"DescribeModel": answering({"ModelName": "m", "VpcConfig": None})}})

    assert call_json(application, "DescribeModel", {"ModelName": "m"}) == (200, {"ModelName": "m"})


@pytest.mark.parametrize(
    ("service", "headers", "code"),
    [
        ("sagemaker", {"x-amz-target": "SageMaker.ListModels"}, "InvalidSignatureException"),
        ("s3", {}, "AuthorizationHeaderMalformed"),
        ("sts", {"content-type": "application/x-www-form-urlencoded"}, "SignatureDoesNotMatch"),
    ],
)
def test_a_region_that_does_not_exist_is_refused(service, headers, code):
    status, _, body = ask(gateway(), "GET", "/", service=service, region="mars-north-1", headers=headers)

    assert 400 <= status < 500
    assert code in body.decode()
    assert "mars-north-1" in body.decode()


def test_a_body_above_the_limit_is_refused_before_it_is_read():
    async def never():
        raise AssertionError("the body was read")
        yield b""

    sent = request(service="sagemaker", headers={"x-amz-target": "SageMaker.DescribeModel"})
    sent.body = ByteStream(never(), 17 * 1024 * 1024)
    application = gateway({"sagemaker": {"DescribeModel": answering({})}})

    response = asyncio.run(application.answer(sent))

    assert response.status == 413
    assert b"RequestEntityTooLargeException" in response.body


LARGEST_PAYLOAD = 25 * 1024 * 1024


@pytest.mark.parametrize("length", [LARGEST_PAYLOAD + 1, 33 * 1024 * 1024, 10**15])
def test_a_payload_above_25_mb_is_refused_before_it_is_read(length):
    async def never():
        raise AssertionError("the body was read")
        yield b""

    async def authenticate(_request):
        raise AssertionError("the signature is over the whole body")

    sent = request("POST", "/endpoints/e/invocations", service="sagemaker")
    sent.body = ByteStream(never(), length)
    application = gateway({"sagemaker-runtime": {"InvokeEndpoint": answering({})}}, authenticate=authenticate)

    response = asyncio.run(application.answer(sent))

    # As boto3 shows it: An error occurred (413) when calling the InvokeEndpoint operation: HTTP content …
    assert (response.status, dict(response.headers)["x-amzn-ErrorType"]) == (413, "413")
    assert json.loads(response.body)["message"] == f"HTTP content length exceeded {LARGEST_PAYLOAD} bytes."


def test_a_payload_of_25_mb_reaches_its_handler():
    seen = []

    async def handler(_context, parsed):
        seen.append(len(parsed["Body"]))
        return {"Body": b"fine"}

    application = gateway({"sagemaker-runtime": {"InvokeEndpoint": handler}})

    status, _, body = ask(
        application, "POST", "/endpoints/e/invocations", service="sagemaker", body=bytes(LARGEST_PAYLOAD)
    )

    assert (status, body, seen) == (200, b"fine", [LARGEST_PAYLOAD])


def test_the_limits_of_a_payload_agree():
    runtime = load("services.toml")["sagemaker-runtime"]

    assert runtime["body_limits"]["InvokeEndpoint"] == worker.LARGEST_PAYLOAD == LARGEST_PAYLOAD
    assert runtime["validation"]["shapes"]["BodyBlob"]["max"] == LARGEST_PAYLOAD


def test_a_stream_has_no_limit():
    async def handler(_context, parsed):
        return {"ETag": str(parsed["Body"].length)}

    sent = request("PUT", "/bucket/key", service="s3")
    sent.body = ByteStream(ByteStream.of(b"x"), 10**12)

    application = gateway({"s3": {"PutObject": handler}})
    response = asyncio.run(application.answer(sent))

    assert (response.status, dict(response.headers)["ETag"]) == (200, str(10**12))
    bare = request("PUT", "/bucket/key", service="s3")
    bare.headers = Headers(field for field in bare.headers.fields if field[0] != "content-length")
    assert asyncio.run(application.answer(bare)).status == 411


def test_a_refused_member_has_the_code_of_its_service():
    sent = {"X-Amzn-SageMaker-Target-Model": "m.tar.gz", "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    refused = members.tables("sagemaker-runtime")["InvokeEndpoint"].refused
    assert {"TargetModel", "SessionId"} & refused.keys()
    application = gateway({"sagemaker-runtime": {"InvokeEndpoint": answering({})}})

    status, headers, body = ask(
        application, "POST", "/endpoints/e/invocations", service="sagemaker", headers=sent, body=b"x"
    )

    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert b"is not supported by Wildsage" in body


ASKS = {
    "sagemaker": ("POST", "/", {"x-amz-target": "SageMaker.ListModels"}, b"{}"),
    "sagemaker-runtime": ("POST", "/endpoints/e/invocations", {}, b"x"),
    "logs": ("POST", "/", {"x-amz-target": "Logs_20140328.DescribeLogGroups"}, b"{}"),
    "s3": ("GET", "/", {}, b""),
    "sts": ("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"Action=GetCallerIdentity&Version=2011-06-15"),
    "iam": ("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"Action=ListRoles&Version=2010-05-08"),
}  # fmt: skip
OPERATIONS = {
    "sagemaker": "ListModels",
    "sagemaker-runtime": "InvokeEndpoint",
    "logs": "DescribeLogGroups",
    "s3": "ListBuckets",
    "sts": "GetCallerIdentity",
    "iam": "ListRoles",
}


def region_seen(service, region):
    """Return status and body, and the region that the handler saw."""
    seen = []

    async def handler(context, _parsed):
        seen.append((context.region, context.partition))
        raise ServiceError("seen", code="Seen", status=418)

    method, target, headers, body = ASKS[service]
    status, _, answer = ask(
        gateway({service: {OPERATIONS[service]: handler}}),
        method,
        target,
        service=service.partition("-")[0],
        region=region,
        headers=headers,
        body=body,
    )
    return status, answer.decode(), seen


@pytest.mark.parametrize("service", ASKS)
@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("ap-southeast-7", "aws"),
        ("mx-central-1", "aws"),
        ("cn-northwest-1", "aws-cn"),
        ("us-gov-east-1", "aws-us-gov"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_every_region_of_botocore_exists(service, region, partition):
    assert region_seen(service, region) == (418, ANY, [(region, partition)])


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("sagemaker", 403, '"__type":"InvalidSignatureException"'),
        ("sagemaker-runtime", 403, "Credential should be scoped"),
        ("logs", 403, '"__type":"InvalidSignatureException"'),
        ("s3", 403, "<Code>AuthorizationHeaderMalformed</Code>"),
        ("sts", 403, "<Code>SignatureDoesNotMatch</Code>"),
        ("iam", 403, "<Code>SignatureDoesNotMatch</Code>"),
    ],
)
# Clients sign for the plain region where they are told a FIPS one: the pseudo region never comes by itself.
@pytest.mark.parametrize(
    "region", ["mars-north-1", "us-east-1-fips", "fips-us-east-1", "us-east-11", "local"]
)
def test_a_region_that_is_none_is_refused_as_each_protocol_does(service, status, code, region):
    seen_status, answer, seen = region_seen(service, region)

    assert (seen_status, seen) == (status, [])
    assert code in answer
    assert "Credential should be scoped to a valid region, not" in answer


@pytest.mark.parametrize(
    ("pseudo", "region"),
    [
        ("aws-global", "us-east-1"),
        ("aws-us-gov-global", "us-gov-west-1"),
        ("aws-cn-global", "cn-northwest-1"),
        ("aws-iso-global", "us-iso-east-1"),
    ],
)
def test_a_whole_partition_is_a_region_of_the_services_that_span_it_only(pseudo, region):
    for service in ("iam", "sts", "s3"):
        assert [found for found, _ in region_seen(service, pseudo)[2]] == [region]
    for service in ("sagemaker", "sagemaker-runtime", "logs"):
        assert region_seen(service, pseudo)[::2] == (403, [])


def test_a_body_of_unknown_length_is_read_up_to_the_limit():
    async def endless():
        while True:
            yield b" " * 1024 * 1024

    sent = request(service="sagemaker", headers={"x-amz-target": "SageMaker.DescribeModel"})
    sent.body = ByteStream(endless())
    application = gateway({"sagemaker": {"DescribeModel": answering({})}})

    assert asyncio.run(application.answer(sent)).status == 413


def test_internal_paths_go_to_their_own_handlers():
    async def health(_request):
        return HttpResponse(200, [], b"fine")

    async def broken(_request):
        raise RuntimeError("the secret")

    application = gateway(internal={"/_wildsage/health": health, "/_wildsage/broken": broken})

    assert ask(application, "GET", "/_wildsage/health")[::2] == (200, b"fine")
    assert ask(application, "GET", "/_wildsage/health/deep")[::2] == (200, b"fine")
    assert ask(application, "GET", "/_wildsage/healthy")[0] == 404
    status, _, body = ask(application, "GET", "/_wildsage/broken")
    assert status == 500
    assert b"secret" not in body


def test_a_client_that_goes_away_is_no_error_of_ours(caplog):
    async def disconnected():
        raise ClientDisconnectedError("gone")
        yield b""

    sent = request(service="sagemaker", headers={"x-amz-target": "SageMaker.DescribeModel"})
    sent.body = ByteStream(disconnected())
    application = gateway({"sagemaker": {"DescribeModel": answering({})}})

    with pytest.raises(ClientDisconnectedError):
        asyncio.run(application.answer(sent))
    assert "Traceback" not in caplog.text


async def _put_object(_context, parsed):
    size = 0
    async for chunk in parsed["Body"]:
        size += len(chunk)
    return {"ETag": f'"{parsed["Bucket"]}|{parsed["Key"]}|{size}|{sorted(parsed["Metadata"].items())}"'}


async def _get_object(_context, _parsed):
    async def chunks():
        for _ in range(3):
            yield b"x" * 100_000

    return {"Body": ByteStream(chunks(), 300_000), "ContentLength": 300_000, "Metadata": {"a": "b"}}


async def _head_object(_context, parsed):
    if parsed["Key"] == "missing":
        raise ServiceError("Not Found", code="NoSuchKey", status=404)
    if "IfNoneMatch" in parsed:
        raise ServiceError("Not Modified", code="NotModified", status=304, members={"ETag": '"e"'})
    return {"ContentLength": 12345, "LastModified": 1_700_000_000.5, "ETag": '"e"'}


async def _invoke(_context, parsed):
    return {"Body": parsed["Body"][::-1], "ContentType": parsed["ContentType"]}


@pytest.fixture(scope="module")
def url():
    handlers = {
        "s3": {"PutObject": _put_object, "GetObject": _get_object, "HeadObject": _head_object},
        "sagemaker": {
            "ListModels": answering({"Models": []}),
            "CreateModel": failing(ValidationError("no such role")),
        },
        "sagemaker-runtime": {"InvokeEndpoint": _invoke},
        "iam": {"GetRole": failing(NotFoundError("gone", code="NoSuchEntity", status=404))},
        "sts": {"GetCallerIdentity": answering(lambda context, _: {"Account": context.account})},
    }
    with serve(gateway(handlers)) as url:
        yield url


def test_boto3_speaks_every_protocol(url):
    assert client("sagemaker", url).list_models()["Models"] == []
    assert client("sts", url).get_caller_identity()["Account"] == ACCOUNT
    runtime = client("sagemaker-runtime", url)
    answer = runtime.invoke_endpoint(
        EndpointName="e", Body=b"\xff\x00abc", ContentType="application/x-custom"
    )
    assert answer["Body"].read() == b"cba\x00\xff"
    assert answer["ContentType"] == "application/x-custom"


def test_boto3_streams_objects_both_ways(url):
    s3 = client("s3", url)
    key = "a//b/ü+ %2F?&/"

    stored = s3.put_object(Bucket="bucket", Key=key, Body=b"x" * 3_000_000, Metadata={"k": "v, w"})
    fetched = s3.get_object(Bucket="bucket", Key=key)

    assert stored["ETag"] == f"\"bucket|{key}|3000000|[('k', 'v, w')]\""
    assert stored["ResponseMetadata"]["HostId"]
    assert len(fetched["Body"].read()) == 300_000
    assert fetched["Metadata"] == {"a": "b"}


def test_head_has_the_headers_of_the_object_and_no_body(url):
    s3 = client("s3", url)

    assert s3.head_object(Bucket="bucket", Key="k")["ContentLength"] == 12345
    assert s3.head_object(Bucket="bucket", Key="k")["ETag"] == '"e"'  # the connection is still in step
    with pytest.raises(s3.exceptions.ClientError, match="404") as caught:
        s3.head_object(Bucket="bucket", Key="missing")
    assert caught.value.response["Error"]["Message"] == "Not Found"


def test_not_modified_carries_its_headers(url):
    s3 = client("s3", url)

    with pytest.raises(s3.exceptions.ClientError, match="304") as caught:
        s3.head_object(Bucket="bucket", Key="k", IfNoneMatch='"e"')

    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == '"e"'


def test_boto3_raises_the_modelled_exceptions(url):
    iam = client("iam", url)
    with pytest.raises(iam.exceptions.NoSuchEntityException, match="gone"):
        iam.get_role(RoleName="r")
    sagemaker = client("sagemaker", url)
    with pytest.raises(sagemaker.exceptions.ClientError, match=r"ValidationException.*no such role"):
        sagemaker.create_model(ModelName="m")


def test_an_upload_that_is_refused_is_not_waited_for(url):
    """The client waits for 100 Continue; the answer comes at once and the next request is not garbled."""
    s3 = client("s3", url)

    with pytest.raises(s3.exceptions.ClientError, match="NotImplemented"):
        s3.upload_part(Bucket="b", Key="k", UploadId="u", PartNumber=1, Body=b"x" * 5_000_000)

    assert s3.head_object(Bucket="bucket", Key="k")["ContentLength"] == 12345


@pytest.fixture(scope="module")
def guarded():
    key = AccessKey("AKIDEXAMPLE", "secret", None, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    authenticate = Authenticator({"AKIDEXAMPLE": key}.get, SystemClock())
    handlers = {
        "s3": {"PutObject": _put_object},
        "sagemaker": {"ListModels": answering({"Models": []})},
        "sts": {"GetCallerIdentity": answering(lambda context, _: {"Arn": context.principal_arn})},
    }
    with serve(gateway(handlers, authenticate=authenticate)) as url:
        yield url


def test_signed_requests_of_boto3_pass_the_real_authenticator(guarded):
    assert client("sts", guarded).get_caller_identity()["Arn"].endswith(":root")
    assert client("sagemaker", guarded).list_models()["Models"] == []
    stored = client("s3", guarded).put_object(Bucket="b", Key="k/ü +", Body=b"x" * 1000, Metadata={"a": "b"})
    assert "|1000|" in stored["ETag"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("sagemaker", "list_models", {}, "InvalidSignatureException"),
        ("sts", "get_caller_identity", {}, "SignatureDoesNotMatch"),
        ("s3", "put_object", {"Bucket": "b", "Key": "k", "Body": b"x" * 3_000_000}, "SignatureDoesNotMatch"),
    ],
)
def test_a_forged_signature_is_refused_in_the_words_of_the_service(
    guarded, service, operation, arguments, code
):
    forged = client(service, guarded, aws_secret_access_key="another")

    with pytest.raises(forged.exceptions.ClientError, match=code):
        getattr(forged, operation)(**arguments)
