"""Every operation of every service that exists, against botocore's own serializers and parsers."""

import asyncio
import datetime as dt
import functools
import io
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.handlers import parse_get_bucket_location
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from tests.aws.generate import Generator, without_namesakes
from tests.aws.support import SERVICES, botocore_model, request
from tests.cases import check_each

from wildsage.aws.identify import Identifier
from wildsage.aws.model import Catalogue
from wildsage.aws.texts import load
from wildsage.aws.validation import Validator
from wildsage.core.errors import ServiceError, ValidationError
from wildsage.core.streams import ByteStream

SIGNING_NAMES = {name: host for host, names in load("services.toml")["s3"]["apart"].items() for name in names}

model_of = functools.cache(botocore_model)
catalogue = Catalogue()
identifier = Identifier(catalogue)


def spoken():
    """Yield services, each once for every protocol that a client of it may choose."""
    for service in SERVICES:
        metadata = model_of(service).metadata
        for protocol in metadata.get("protocols", [metadata["protocol"]]):
            yield service, protocol


every_protocol = pytest.mark.parametrize(("service", "protocol"), [*spoken()])


def operations(*spoken):
    return [(*spoken, name) for name in model_of(spoken[0]).operation_names]


def generator(service, name):
    return Generator(f"{service}{name}")


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


def traced(value):
    """Return what a form can say: a structure without members leaves no trace in it."""
    match value:
        case dict():
            return {key: left for key, item in value.items() if (left := traced(item)) != {}}
        case list():
            return [traced(item) for item in value]
    return value


def serialized(service, protocol, name, values):
    """Let botocore make the HTTP request."""
    model = model_of(service)
    made = create_serializer(protocol, include_validation=False).serialize_to_request(
        values, model.operation_model(name)
    )
    prepare_request_dict(made, "http://127.0.0.1")
    target = made["url"].split("127.0.0.1", 1)[1]  # a host prefix may stand before it
    body = made["body"] if isinstance(made["body"], bytes) else str(made["body"]).encode()
    if isinstance(made["body"], dict):
        from botocore.compat import urlencode

        body = urlencode(made["body"]).encode()
        made["headers"]["content-type"] = "application/x-www-form-urlencoded"
    signing = SIGNING_NAMES.get(name, model.metadata.get("signingName", model.metadata["endpointPrefix"]))
    headers = [(key, str(item)) for key, item in made["headers"].items()]
    return request(made["method"], target, service=signing, headers=headers, body=body)


def routed(service, name):
    """Return the operation that a request finds: of a deprecated one and its successor, the successor."""
    model = model_of(service)
    route = model.operation_model(name).http
    if not model.operation_model(name).deprecated or not model.metadata["protocol"].startswith("rest-"):
        return name
    twins = [other for other in model.operation_names if model.operation_model(other).http == route]
    return next((twin for twin in twins if not model.operation_model(twin).deprecated), name)


async def received(http, name=None):
    """Return what a request is, and its members: of the operation it finds, or of the one called `name`."""
    call = identifier.identify(http)
    found = await call.protocol.find_operation(call)
    return call, found, await call.protocol.parse(call, call.service.operation(name or found))


@every_protocol
def test_a_request_that_botocore_writes_is_read_back_equal(service, protocol):
    check_each(check_request, operations(service, protocol))


def check_request(service, protocol, name):
    shape = model_of(service).operation_model(name).input_shape
    values = generator(service, name).structure(shape) if shape else {}
    http = serialized(service, protocol, name, values)

    call, found, parsed = asyncio.run(received(http, name))

    assert (call.service.name, found) == (service, routed(service, name))
    assert normal(parsed) == (traced(normal(values)) if protocol == "query" else normal(values))


@every_protocol
def test_a_request_of_required_members_alone_finds_its_operation(service, protocol):
    check_each(check_least_request, operations(service, protocol))


def check_least_request(service, protocol, name):
    shape = model_of(service).operation_model(name).input_shape
    values = generator(service, name).structure(shape, depth=99) if shape else {}
    http = serialized(service, protocol, name, values)

    _, found, parsed = asyncio.run(received(http, name))

    assert found == routed(service, name)
    assert traced(values).keys() <= parsed.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_generated_values_break_no_rule_but_patterns(service):
    check_each(check_rules, operations(service))


def check_rules(service, name):
    shape = model_of(service).operation_model(name).input_shape
    values = normal(generator(service, name).structure(shape)) if shape else {}
    ours = catalogue.service(service)

    try:
        Validator(ours).validate(ours.operation(name), values)
    except ValidationError as error:
        constraints = error.message.split("failed to satisfy constraint: ")[1:]
        assert all("pattern" in rule for rule in constraints)


@every_protocol
def test_a_response_is_read_back_equal_by_botocore(service, protocol):
    check_each(check_response, operations(service, protocol))


def check_response(service, protocol, name):
    model = model_of(service).operation_model(name)
    ours = catalogue.service(service).operation(name)
    values = generator(service, name).structure(model.output_shape) if model.output_shape else {}
    stream = ours.output.event_stream
    sent = [*events_of(model.output_shape.members[stream])] if stream else []
    call = identifier.identify(serialized(service, protocol, name, _least(service, name)))

    response = call.protocol.serialize(ours, {**values, stream: each(sent)} if stream else values, "the-id")

    parsed = read(service, protocol, name, response)
    metadata = parsed.pop("ResponseMetadata")
    if model.output_shape or protocol != "smithy-rpc-v2-cbor":  # there botocore looks no further
        assert metadata["RequestId"] == "the-id"
    if stream:
        assert normal([*parsed.pop(stream)]) == normal(sent)
    assert normal(parsed) == normal(values)


def read(service, protocol, name, response):
    """Let botocore read an HTTP response."""
    model = model_of(service).operation_model(name)
    body = response.body if isinstance(response.body, bytes) else asyncio.run(response.body.read(1 << 20))
    parsed = create_parser(protocol).parse(
        {
            "headers": _Headers(response.headers),
            "status_code": response.status,
            "body": RawStream(body) if model.has_streaming_output or model.has_event_stream_output else body,
            "context": {"operation_name": name},
        },
        model.output_shape,
    )
    if name == "GetBucketLocation":
        # The parser cannot read it: a hook of the client does.
        parse_get_bucket_location(parsed, SimpleNamespace(raw=body, content=body))
    if name == "GetBucketNotification":
        # Event is the element name of the list Events too: botocore leaves it as elements.
        for configuration in parsed.keys() & {
            "TopicConfiguration",
            "QueueConfiguration",
            "CloudFunctionConfiguration",
        }:
            assert parsed[configuration].pop("Event")
    return parsed


def test_members_that_share_an_element_name_are_those_of_the_deprecated_notification_configuration():
    shapes = {
        shape.name: shape.members.keys() - without_namesakes(shape.members).keys()
        for service in SERVICES
        for shape in map(model_of(service).shape_for, model_of(service).shape_names)
        if shape.type_name == "structure"
    }

    assert {name: members for name, members in shapes.items() if members} == {
        "TopicConfigurationDeprecated": {"Event"},
        "QueueConfigurationDeprecated": {"Event"},
        "CloudFunctionConfiguration": {"Event"},
    }


TWINS = [
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration", set()),
    ("PutBucketNotification", "PutBucketNotificationConfiguration", {"InvocationRole"}),
]


@pytest.mark.parametrize(("name", "successor", "lost"), TWINS)
def test_a_deprecated_request_is_one_of_its_successor(name, successor, lost):
    shape = model_of("s3").operation_model(name).input_shape
    sent = serialized("s3", "rest-xml", name, generator("s3", name).structure(shape))
    body = asyncio.run(sent.body.read(1 << 20))
    sent.body = ByteStream.of(body)

    _, found, parsed = asyncio.run(received(sent))

    assert found == successor
    again = asyncio.run(serialized("s3", "rest-xml", successor, parsed).body.read(1 << 20))
    assert leaves(body) - leaves(again) == {leaf for leaf in leaves(body) if leaf[0] in lost}
    assert leaves(again) <= leaves(body)


@pytest.mark.parametrize(
    ("name", "successor", "lost"),
    [(name.replace("Put", "Get"), successor.replace("Put", "Get"), lost) for name, successor, lost in TWINS],
)
def test_a_client_of_a_deprecated_operation_reads_its_successors_response(name, successor, lost):
    shape = model_of("s3").operation_model(name).output_shape
    values = generator("s3", name).structure(shape)
    call = identifier.identify(serialized("s3", "rest-xml", name, _least("s3", name)))
    modelled = call.service.operation
    # What the successor's handler returns for the same configuration.
    same = read("s3", "rest-xml", successor, call.protocol.serialize(modelled(name), values, "the-id"))
    del same["ResponseMetadata"]

    parsed = read("s3", "rest-xml", name, call.protocol.serialize(modelled(successor), same, "the-id"))

    del parsed["ResponseMetadata"]
    assert normal(parsed) == normal(
        {
            key: {k: v for k, v in item.items() if k not in lost} if isinstance(item, dict) else item
            for key, item in values.items()
        }
    )


def leaves(document):
    """Return the texts in an XML document by the name of their element."""
    return {
        (element.tag.rpartition("}")[2], element.text)
        for element in ET.fromstring(document).iter()
        if not len(element)
    }


class RawStream(io.BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self):
        while chunk := self.read(7):
            yield chunk


async def each(items):
    for item in items:
        yield item


def events_of(union):
    """Yield an event of every kind."""
    for name, shape in union.members.items():
        if not shape.metadata.get("exception"):
            yield {name: Generator(name).structure(shape)}


def _least(service, name):
    shape = model_of(service).operation_model(name).input_shape
    return generator(service, name).structure(shape, depth=99) if shape else {}


@pytest.mark.parametrize(
    ("service", "protocol"), [pair for pair in spoken() if model_of(pair[0]).error_shapes]
)
def test_an_error_is_read_back_equal_by_botocore(service, protocol):
    check_each(
        check_error, [(service, protocol, shape.error_code) for shape in model_of(service).error_shapes]
    )


def check_error(service, protocol, code):
    model = model_of(service)
    name = model.operation_names[0]
    shape = next(shape for shape in model.error_shapes if shape.error_code == code)
    members = Generator(code).structure(shape)
    members = {key: value for key, value in members.items() if key.lower() != "message"}
    call = identifier.identify(serialized(service, protocol, name, _least(service, name)))
    error = ServiceError("käse <&>", code=code, status=409, members=members)

    response = call.protocol.serialize_error(error, call, "the-id")

    answer = {"headers": _Headers(response.headers), "status_code": response.status, "body": response.body}
    parsed = create_parser(protocol).parse(answer, None)
    modelled = create_parser(protocol).parse(answer, shape)
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
