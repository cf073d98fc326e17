import pytest
from tests.aws.support import request

from wildsage.aws.http import Headers
from wildsage.aws.identify import Host, Identifier, Scope, credential_scope, host_of
from wildsage.aws.model import Catalogue
from wildsage.core.errors import NotImplementedOperationError

identifier = Identifier(Catalogue())


def on_host(host, path="/", **options):
    http = request("GET", path, **options)
    http.headers = Headers([*[f for f in http.headers.fields if f[0] != "host"], ("host", host)])
    return http


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "found"),
    [
        ("sagemaker", "POST", "/", {"x-amz-target": "SageMaker.ListModels"}, "sagemaker"),
        ("sagemaker", "POST", "/endpoints/e/invocations", {}, "sagemaker-runtime"),
        ("sagemaker", "POST", "/endpoints/e/async-invocations", {}, "sagemaker-runtime"),
        ("sagemaker", "POST", "/endpoints/e/invocations-response-stream", {}, "sagemaker-runtime"),
        ("sagemaker", "GET", "/FeatureGroup/f", {}, "sagemaker-featurestore-runtime"),
        ("sagemaker", "POST", "/BatchGetRecord", {}, "sagemaker-featurestore-runtime"),
        ("sagemaker", "PUT", "/BatchPutMetrics", {}, "sagemaker-metrics"),
        ("sagemaker", "GET", "/human-loops/h", {}, "sagemaker-a2i-runtime"),
        ("sagemaker", "POST", "/SendHeartbeat", {}, "sagemaker-edge"),
        ("monitoring", "POST", "/", {"x-amz-target": "GraniteServiceVersion20100801.ListMetrics"}, "cloudwatch"),
        ("monitoring", "POST", "/", {"content-type": "application/x-www-form-urlencoded"}, "cloudwatch"),
        ("events", "POST", "/", {"x-amz-target": "AWSEvents.ListRules"}, "events"),
        ("events", "POST", "/service/AWSEventsV2/operation/CreateEventBus", {"smithy-protocol": "rpc-v2-cbor"}, "eventbridgev2"),
        ("iam", "POST", "/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, "iam"),
        ("s3", "GET", "/", {}, "s3"),
        ("lambda", "GET", "/2015-03-31/functions", {}, "lambda"),
        ("states", "POST", "/", {"x-amz-target": "AWSStepFunctions.ListActivities"}, "stepfunctions"),
    ],
)  # fmt: skip
def test_scope_target_and_path_decide_the_service(service, method, path, headers, found):
    assert identifier.identify(request(method, path, service=service, headers=headers)).service.name == found


CBOR = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
LIST_METRICS = "/service/GraniteServiceVersion20100801/operation/ListMetrics"


@pytest.mark.parametrize(
    ("target", "headers", "protocol"),
    [
        ("/", {"x-amz-target": "GraniteServiceVersion20100801.ListMetrics"}, "JsonProtocol"),
        ("/", {"content-type": "application/x-amz-json-1.0"}, "JsonProtocol"),
        ("/", {"content-type": "application/x-amz-json-1.1"}, "JsonProtocol"),
        ("/", {"content-type": "application/x-www-form-urlencoded"}, "QueryProtocol"),
        ("/?Action=ListMetrics&Version=2010-08-01", {}, "QueryProtocol"),
        (LIST_METRICS, CBOR, "RpcV2CborProtocol"),
        (LIST_METRICS, {"smithy-protocol": "rpc-v2-cbor"}, "RpcV2CborProtocol"),
        ("/", {}, "JsonProtocol"),
    ],
)
def test_the_client_decides_among_several_protocols(target, headers, protocol):
    call = identifier.identify(request("POST", target, service="monitoring", headers=headers))

    assert type(call.protocol).__name__ == protocol


def test_a_protocol_of_smithy_that_the_model_does_not_have_is_told_in_that_protocol():
    http = request("POST", "/service/SageMaker/operation/ListModels", service="sagemaker", headers=CBOR)

    assert type(identifier.unknown(http).protocol).__name__ == "RpcV2CborProtocol"
    with pytest.raises(NotImplementedOperationError, match="speaks json, and not smithy-rpc-v2-cbor"):
        identifier.identify(http)


@pytest.mark.parametrize("name", ["nonsense", "..", "", "x" * 5000])
def test_a_service_that_does_not_exist_is_named_in_the_error(name):
    http = request(
        headers=[("authorization", f"AWS4-HMAC-SHA256 Credential=AK/1/us-east-1/{name}/aws4_request,")]
    )
    if name:
        with pytest.raises(NotImplementedOperationError, match="No service signs as"):
            identifier.identify(http)
    else:
        assert identifier.identify(http).service.name == "s3"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8172", Host()),
        ("localhost", Host()),
        ("sts.us-west-2.amazonaws.com", Host("sts", "us-west-2")),
        ("sts.amazonaws.com", Host("sts")),
        ("sts.cn-north-1.amazonaws.com.cn", Host("sts", "cn-north-1")),
        ("api.sagemaker.us-gov-west-1.amazonaws.com", Host("sagemaker", "us-gov-west-1")),
        ("runtime.sagemaker.eu-west-1.amazonaws.com:443", Host("sagemaker", "eu-west-1")),
        ("s3.amazonaws.com", Host("s3")),
        ("s3.eu-west-1.amazonaws.com", Host("s3", "eu-west-1")),
        ("s3-eu-west-1.amazonaws.com", Host("s3", "eu-west-1")),
        ("s3.dualstack.eu-west-1.amazonaws.com", Host("s3", "eu-west-1")),
        ("bucket.s3.amazonaws.com", Host("s3", "", "bucket")),
        ("my.bucket.s3.eu-west-1.amazonaws.com", Host("s3", "eu-west-1", "my.bucket")),
        ("my.bucket.s3-eu-west-1.amazonaws.com", Host("s3", "eu-west-1", "my.bucket")),
        ("sagemaker-us-west-2-123456789012.s3.us-west-2.amazonaws.com", Host("s3", "us-west-2", "sagemaker-us-west-2-123456789012")),
        ("evil.example.com", Host()),
        ("amazonaws.com", Host()),
    ],
)  # fmt: skip
def test_hosts_of_aws_are_read(host, expected):
    assert host_of(on_host(host)) == expected


def test_a_bucket_in_the_host_becomes_part_of_the_path():
    call = identifier.identify(on_host("my.bucket.s3.eu-west-1.amazonaws.com", "/a%2Fb/", service="s3"))

    assert (call.path, call.request.path) == ("/my.bucket/a%2Fb/", "/a%2Fb/")


def test_the_scope_outranks_the_host():
    assert identifier.identify(on_host("sts.amazonaws.com", service="s3")).service.name == "s3"


@pytest.mark.parametrize(
    ("target", "authorization", "expected"),
    [
        ("/", "AWS4-HMAC-SHA256 Credential=AK/20240101/us-west-2/sagemaker/aws4_request, Signature=", Scope("sagemaker", "us-west-2")),
        ("/", "AWS4-ECDSA-P256-SHA256 Credential=AK/20240101/s3/aws4_request,", Scope("s3")),
        ("/b/k?X-Amz-Credential=AK%2F20240101%2Feu-west-1%2Fs3%2Faws4_request", "", Scope("s3", "eu-west-1")),
        ("/b/k?AWSAccessKeyId=AK&Signature=x&Expires=1", "", Scope()),
        ("/", "AWS AK:signature", Scope()),
        ("/", "Bearer x", Scope()),
        ("/", "AWS4-HMAC-SHA256 Credential=////////", Scope()),
        ("/", "", Scope()),
    ],
)  # fmt: skip
def test_the_credential_scope_is_read(target, authorization, expected):
    headers = {"authorization": authorization} if authorization else {}

    assert credential_scope(request("GET", target, headers=headers)) == expected


def test_what_is_warm_is_what_requests_use():
    catalogue = Catalogue()
    identifier = Identifier(catalogue)
    for name in ("sagemaker", "s3"):
        identifier.warm(catalogue.service(name))
    call = identifier.identify(request("GET", "/bucket", service="s3"))
    assert call.service is catalogue.service("s3")
    assert "router" in vars(call.protocol)
