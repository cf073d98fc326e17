"""Malformed requests get a 4xx that says what is wrong; none reaches a handler, none is a 5xx."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aws.support import ask, call_json, gateway

from wildsage.aws.model import Catalogue
from wildsage.aws.protocols.base import UnreadableError
from wildsage.aws.protocols.json_codec import loads


class Everything(dict):
    """Handlers for every operation, none of which may be reached."""

    def get(self, _name, _default=None):
        return unreachable

    def __missing__(self, _name):
        return unreachable


async def unreachable(_context, request):
    raise AssertionError(f"a malformed request reached the handler: {request}")


SERVICES = ("sagemaker", "s3", "iam", "sts", "logs", "sagemaker-runtime")
application = gateway({name: Everything() for name in SERVICES})


def nested(levels, open_="[", close="]"):
    return (open_ * levels + close * levels).encode()


JSON = {
    "broken": (b"{broken", "no valid JSON"),
    "truncated": (b'{"ModelName": "m"', "no valid JSON"),
    "list": (b"[]", "Start of list found where not expected"),
    "number": (b"1", "Expected null"),
    "string": (b'"x"', "Expected null"),
    "trailing": (b"{} {}", "no valid JSON"),
    "not utf-8": (b'{"ModelName": "\xff"}', "no valid JSON"),
    "utf-16": ('{"ModelName": "m"}'.encode("utf-16"), "no valid JSON"),
    "bom": (b"\xef\xbb\xbf{}", "no valid JSON"),
    "lone surrogate": (b'{"ModelName": "\\ud800"}', "no valid JSON"),
    "deep list": (b'{"ModelName": ' + nested(10_000) + b"}", "nested too deeply"),
    "deep object": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
    "nan": (b'{"ModelName": NaN}', "NaN is no JSON number"),
    "infinity": (b'{"ModelName": -Infinity}', "-Infinity is no JSON number"),
    "duplicate": (b'{"ModelName": "a", "ModelName": "b"}', "'ModelName' occurs twice"),
    "number for string": (b'{"ModelName": 1}', "NUMBER_VALUE can not be converted to a String (at ModelName)"),
    "boolean for string": (b'{"ModelName": true}', "TRUE_VALUE can not be converted to a String"),
    "object for string": (b'{"ModelName": {}}', "Start of structure or map found where not expected"),
    "list for string": (b'{"ModelName": []}', "Start of list found where not expected"),
    "string for boolean": (b'{"EnableNetworkIsolation": "yes"}', "STRING_VALUE can not be converted to a Boolean"),
    "string for list": (b'{"Containers": "x"}', "Expected list or null (at Containers)"),
    "object for list": (b'{"Containers": {}}', "Start of structure or map found where not expected. (at Containers)"),
    "string for structure": (b'{"PrimaryContainer": "x"}', "Expected null (at PrimaryContainer)"),
    "list for structure": (b'{"PrimaryContainer": []}', "Start of list found where not expected (at PrimaryContainer)"),
    "number for map": (b'{"PrimaryContainer": {"Environment": 1}}', "Expected map or null (at PrimaryContainer.Environment)"),
    "string for element": (b'{"Containers": [{}, "x"]}', "Expected null (at Containers.2)"),
    "null element": (b'{"Tags": [null]}', "Null is no element of a list or map (at Tags.1)"),
    "number in map": (b'{"PrimaryContainer": {"Environment": {"a": 1}}}', "(at PrimaryContainer.Environment.a)"),
    "huge digits": (b'{"ModelName": ' + b"9" * 10_000 + b"}", ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "said"), JSON.values(), ids=JSON)
def test_json_that_cannot_be_read(body, said):
    status, answer = call_json(application, "CreateModel", body)

    assert (status, answer["__type"]) == (400, "SerializationException")
    assert said in answer["message"]


@pytest.mark.parametrize(
    "value",
    [b"1e400", b"1e999999", b"99999999999", b"-99999999999", b"1.5", b'"1"', b"true", b"[]", b"9" * 5000],
)
def test_integers_that_are_none(value):
    status, answer = call_json(application, "ListModels", b'{"MaxResults": ' + value + b"}")

    assert (status, answer["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("value", [b'"2024-01-01"', b"1e300", b"-1e300", b"{}", b"true"])
def test_timestamps_that_are_none(value):
    status, answer = call_json(application, "ListModels", b'{"CreationTimeAfter": ' + value + b"}")

    assert (status, answer["__type"]) == (400, "SerializationException")


def test_an_integral_float_is_an_integer():
    async def handler(_context, request):
        assert request == {"MaxResults": 5}
        assert type(request["MaxResults"]) is int
        return {"Models": []}

    status, _ = call_json(
        gateway({"sagemaker": {"ListModels": handler}}), "ListModels", b'{"MaxResults": 5.0}'
    )

    assert status == 200


def test_members_that_the_model_does_not_have_are_ignored_with_a_word_in_the_log(caplog):
    async def handler(_context, request):
        assert request == {"MaxResults": 5}
        return {"Models": []}

    body = {"MaxResults": 5, "Novelty": {"a": [1]}, "NameContains": None}
    status, _ = call_json(gateway({"sagemaker": {"ListModels": handler}}), "ListModels", body)

    assert status == 200
    assert "ignored the member 'Novelty'" in caplog.text


DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"
BILLION_LAUGHS = (
    b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Delete><Object><Key>&b;</Key></Object></Delete>"
)
XML = {
    "broken": b"<Delete><Object>",
    "mismatched": b"<Delete><a></b></Delete>",
    "text": b"hello",
    "two roots": b"<a/><b/>",
    "entities": BILLION_LAUGHS,
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>',
    "undeclared entity": b"<Delete>&nothing;</Delete>",
    "deep": b"<a>" * 10_000 + b"</a>" * 10_000,
    "not utf-8": b"<Delete>\xff</Delete>",
    "odd encoding": b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
    "nul": b"<Delete>\0</Delete>",
    "bad boolean": b"<Delete><Quiet>maybe</Quiet></Delete>",
    "twice": b"<Delete><Quiet>true</Quiet><Quiet>false</Quiet></Delete>",
}


@pytest.mark.parametrize("body", XML.values(), ids=XML)
def test_xml_that_cannot_be_read(body):
    status, _, answer = ask(application, "POST", "/bucket?delete", service="s3", body=body)

    assert status == 400
    assert b"<Code>MalformedXML</Code>" in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("method", "target", "headers", "code"),
    [
        ("GET", "/bucket?max-keys=many", {}, "InvalidArgument"),
        ("GET", "/bucket/key?partNumber=1.5", {}, "InvalidArgument"),
        ("GET", "/bucket/%ff", {}, "InvalidURI"),
        ("GET", "/%ff", {}, "InvalidURI"),
        ("GET", "/bucket/key", {"if-modified-since": "yesterday"}, "InvalidArgument"),
        ("PATCH", "/bucket/key", {}, "UnknownOperationException"),
    ],
)
def test_arguments_of_s3_that_cannot_be_read(method, target, headers, code):
    status, _, answer = ask(application, method, target, service="s3", headers=headers)

    assert 400 <= status < 500
    assert f"<Code>{code}</Code>" in answer.decode()


FORMS = {
    "not utf-8": b"Action=GetRole&RoleName=%ff",
    "raw bytes": b"Action=GetRole&RoleName=\xff",
    "twice": b"Action=GetRole&RoleName=a&RoleName=b",
    "value and parent": b"Action=TagRole&Tags=a&Tags.member.1.Key=b",
    "parent and value": b"Action=TagRole&Tags.member.1.Key=b&Tags=a",
    "structure for scalar": b"Action=GetRole&RoleName.member.1=a",
    "list without numbers": b"Action=TagRole&RoleName=r&Tags.member.x.Key=a",
    "list without member": b"Action=TagRole&RoleName=r&Tags.1.Key=a",
    "scalar for structure": b"Action=TagRole&RoleName=r&Tags.member.1=a",
    "no integer": b"Action=ListRoles&MaxItems=many",
    "deep": b"Action=TagRole&RoleName=r&Tags" + b".member.1" * 10_000 + b"=x",
    "wide": b"&".join(b"a%d=1" % i for i in range(30_000)),
    "no action": b"RoleName=r",
    "empty": b"",
    "wrong version": b"Action=GetRole&Version=1",
    "unknown action": b"Action=Nonsense",
    "huge index": b"Action=TagRole&RoleName=r&Tags.member." + b"9" * 5000 + b".Key=a",
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_forms_that_cannot_be_read(body):
    headers = {"content-type": "application/x-www-form-urlencoded"}

    status, _, answer = ask(application, service="iam", headers=headers, body=body)

    assert status == 400
    assert b"<ErrorResponse" in answer


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(body):
    with contextlib.suppress(UnreadableError):
        json.dumps(loads(body), allow_nan=False).encode()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.sampled_from(SERVICES),
    st.binary(max_size=60),
)
def test_no_request_is_a_5xx(method, path, service, body):
    reached = gateway({name: _Answering() for name in SERVICES})

    status, _, _ = ask(reached, method, "/" + path, service=service, body=body)

    assert status < 500


class _Answering(dict):
    def get(self, _name, _default=None):
        return _answer

    def __missing__(self, _name):
        return _answer


async def _answer(_context, _request):
    return {}


def test_the_corpus_covers_each_service():
    catalogue = Catalogue()

    assert all(catalogue.service(name) for name in SERVICES)
