"""Every operation of every service that exists, against botocore's own serializers and parsers."""

import asyncio
import datetime as dt
import functools
import io

import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from tests.aws.generate import Generator
from tests.aws.support import botocore_model, request

from wildsage.aws.identify import Identifier
from wildsage.aws.model import Catalogue
from wildsage.aws.validation import Validator
from wildsage.core.errors import ServiceError, ValidationError
from wildsage.core.streams import ByteStream

SERVICES = ("sagemaker", "s3", "iam", "sts", "logs", "sagemaker-runtime")
# Operations of S3 that live on hosts of their own (directory buckets, Object Lambda), and deprecated
# ones whose route belongs to the operation that replaced them.
ELSEWHERE = {
    "ListDirectoryBuckets",
    "WriteGetObjectResponse",
    "PutBucketLifecycle",
    "GetBucketLifecycle",
    "PutBucketNotification",
    "GetBucketNotification",
}

model_of = functools.cache(botocore_model)
catalogue = Catalogue()
identifier = Identifier(catalogue)


def operations():
    return [
        pytest.param(service, name, id=f"{service}-{name}")
        for service in SERVICES
        for name in model_of(service).operation_names
        if not (service == "s3" and name in ELSEWHERE)
    ]


def generator(service, name):
    return Generator(f"{service}{name}")


def protocol_of(model):
    return model.metadata["protocol"]


def normal(value):
    """Bring both sides to one form: times as epoch seconds, streams as bytes, no empty members."""
    match value:
        case dict():
            return {key: normal(item) for key, item in value.items()}
        case list():
            return [normal(item) for item in value]
        case dt.datetime():
            return value.timestamp()
        case io.BytesIO():
            return value.read()
        case ByteStream():
            return asyncio.run(value.read(1 << 20))
    return value


def serialized(service, name, values):
    """Let botocore make the HTTP request."""
    model = model_of(service)
    made = create_serializer(protocol_of(model), include_validation=False).serialize_to_request(
        values, model.operation_model(name)
    )
    prepare_request_dict(made, "http://127.0.0.1")
    target = made["url"].removeprefix("http://127.0.0.1")
    body = made["body"] if isinstance(made["body"], bytes) else str(made["body"]).encode()
    if isinstance(made["body"], dict):
        from botocore.compat import urlencode

        body = urlencode(made["body"]).encode()
        made["headers"]["content-type"] = "application/x-www-form-urlencoded"
    signing = model.metadata.get("signingName", model.metadata["endpointPrefix"])
    headers = [(key, str(item)) for key, item in made["headers"].items()]
    return request(made["method"], target, service=signing, headers=headers, body=body)


async def received(http):
    call = identifier.identify(http)
    name = await call.protocol.find_operation(call)
    operation = call.service.operation(name)
    return call, operation, await call.protocol.parse(call, operation)


@pytest.mark.parametrize(("service", "name"), operations())
def test_a_request_that_botocore_writes_is_read_back_equal(service, name):
    shape = model_of(service).operation_model(name).input_shape
    values = generator(service, name).structure(shape) if shape else {}
    http = serialized(service, name, values)

    call, operation, parsed = asyncio.run(received(http))

    assert (call.service.name, operation.name) == (service, name)
    assert normal(parsed) == normal(values)


@pytest.mark.parametrize(("service", "name"), operations())
def test_a_request_of_required_members_alone_finds_its_operation(service, name):
    shape = model_of(service).operation_model(name).input_shape
    values = generator(service, name).structure(shape, depth=99) if shape else {}
    http = serialized(service, name, values)

    _, operation, parsed = asyncio.run(received(http))

    assert operation.name == name
    # A structure without members leaves no trace in a form.
    assert {member for member, value in values.items() if value != {}} <= parsed.keys()


@pytest.mark.parametrize(("service", "name"), operations())
def test_generated_values_break_no_rule_but_patterns(service, name):
    shape = model_of(service).operation_model(name).input_shape
    values = normal(generator(service, name).structure(shape)) if shape else {}
    ours = catalogue.service(service)

    try:
        Validator(ours).validate(ours.operation(name), values)
    except ValidationError as error:
        constraints = error.message.split("failed to satisfy constraint: ")[1:]
        assert all("pattern" in rule for rule in constraints)


@pytest.mark.parametrize(("service", "name"), operations())
def test_a_response_is_read_back_equal_by_botocore(service, name):
    model = model_of(service).operation_model(name)
    ours = catalogue.service(service).operation(name)
    if ours.has_event_stream or name == "GetBucketLocation":
        pytest.skip("event streams are not implemented; the location has a test of its own")
    values = generator(service, name).structure(model.output_shape) if model.output_shape else {}
    call = identifier.identify(serialized(service, name, _least(service, name)))

    response = call.protocol.serialize(ours, values, "the-id")

    parsed = create_parser(protocol_of(model_of(service))).parse(
        {
            "headers": _Headers(response.headers),
            "status_code": response.status,
            "body": io.BytesIO(response.body) if model.has_streaming_output else response.body,
        },
        model.output_shape,
    )
    assert parsed.pop("ResponseMetadata")["RequestId"] == "the-id"
    assert normal(parsed) == normal(values)


def _least(service, name):
    shape = model_of(service).operation_model(name).input_shape
    return generator(service, name).structure(shape, depth=99) if shape else {}


def errors():
    return [
        pytest.param(service, shape.error_code, id=f"{service}-{shape.error_code}")
        for service in SERVICES
        for shape in model_of(service).error_shapes
    ]


@pytest.mark.parametrize(("service", "code"), errors())
def test_an_error_is_read_back_equal_by_botocore(service, code):
    model = model_of(service)
    name = model.operation_names[0]
    shape = next(shape for shape in model.error_shapes if shape.error_code == code)
    members = Generator(code).structure(shape)
    members = {key: value for key, value in members.items() if key.lower() != "message"}
    call = identifier.identify(serialized(service, name, _least(service, name)))
    error = ServiceError("käse <&>", code=code, status=409, members=members)

    response = call.protocol.serialize_error(error, call, "the-id")

    answer = {"headers": _Headers(response.headers), "status_code": response.status, "body": response.body}
    parsed = create_parser(protocol_of(model)).parse(answer, None)
    modelled = create_parser(protocol_of(model)).parse(answer, shape)
    assert parsed["Error"]["Code"] == code
    assert parsed["Error"]["Message"] == "käse <&>"
    assert parsed["ResponseMetadata"]["RequestId"] == "the-id"
    assert {key: normal(value) for key, value in modelled.items() if key in members} == normal(members)


class _Headers(dict):
    """Found by any case, as botocore's HTTP layer hands them over."""

    def __init__(self, fields):
        super().__init__({name.lower(): value for name, value in fields})

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __contains__(self, name):
        return super().__contains__(name.lower())
