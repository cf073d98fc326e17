"""Errors of the proxy itself, read by botocore's own parsers."""

import asyncio

import pytest
from botocore.parsers import create_parser

from wildsage.clients.http1 import read_request_head
from wildsage.clients.refusal import Refusal

REFUSAL = Refusal(400, "ServiceNotImplemented", "no <such> service & \u00fcber")
SCOPE = "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def head_of(text):
    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return await read_request_head(reader, 1, 1)

    return asyncio.run(read())


def answered(head):
    start, _, body = REFUSAL.answer(head).partition(b"\r\n\r\n")
    lines = start.decode().split("\r\n")[1:]
    fields = (line.split(": ", 1) for line in lines)
    return {name.lower(): value for name, value in fields}, body


@pytest.mark.parametrize(
    ("protocol", "request_head"),
    [
        (
            "json",
            "POST / HTTP/1.1\nX-Amz-Target: DynamoDB_20120810.List\nContent-Type: application/x-amz-json-1.0",
        ),
        ("query", "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded; charset=utf-8"),
        ("ec2", "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded; charset=utf-8"),
        ("rest-json", f"GET /functions HTTP/1.1\nAuthorization: {SCOPE.format('lambda')}"),
        ("rest-xml", f"PUT /bucket/key HTTP/1.1\nAuthorization: {SCOPE.format('s3')}"),
        ("rest-xml", "GET /bucket/key HTTP/1.1\nAuthorization: AWS AK:signature"),
        ("rest-xml", "GET /k?X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3%2Faws4_request HTTP/1.1"),
        ("rest-xml", "GET /k HTTP/1.1\nHost: bucket.s3.amazonaws.com"),
        ("smithy-rpc-v2-cbor", "POST /service/A/operation/B HTTP/1.1\nSmithy-Protocol: rpc-v2-cbor"),
    ],
)
def test_botocore_reads_code_and_text(protocol, request_head):
    headers, body = answered(head_of(request_head))
    assert int(headers["content-length"]) == len(body)
    parsed = create_parser(protocol).parse({"headers": headers, "body": body, "status_code": 400}, None)
    assert parsed["Error"]["Code"] == "ServiceNotImplemented"
    assert parsed["Error"]["Message"] == REFUSAL.message


def test_the_answer_to_head_has_no_body():
    headers, body = answered(head_of("HEAD /bucket HTTP/1.1\nHost: s3.amazonaws.com"))
    assert body == b""
    assert int(headers["content-length"]) > 0
