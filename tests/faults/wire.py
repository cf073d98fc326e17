"""HTTP as bytes: what no client library would send, and many requests at once."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.faults.platform import REGION, Platform

Reply = tuple[int, str]


def credentials(platform: Platform) -> Credentials:
    keys = platform.credentials
    return Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])


def unsigned(platform: Platform, service: str, operation: str, content: Any) -> AWSRequest:
    """A request: a SageMaker operation with its members, or ``METHOD /path`` of S3 with its body."""
    if service == "sagemaker":
        body = json.dumps(content).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{operation}"}
        return AWSRequest("POST", platform.url + "/", headers=headers, data=body)
    method, path = operation.split(" ")
    return AWSRequest(
        method, platform.url + path, data=content if isinstance(content, bytes) else content.encode()
    )


def sign(platform: Platform, service: str, request: AWSRequest, **signer: Any) -> AWSRequest:
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(signer.get("keys") or credentials(platform), service, signer.get("region", REGION)).add_auth(request)
    return request


def signed(platform: Platform, service: str, operation: str, content: Any) -> bytes:
    return encode(sign(platform, service, unsigned(platform, service, operation, content)))


def encode(request: AWSRequest) -> bytes:
    """The bytes of a request on a connection of its own."""
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    body = request.data or b""
    headers = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close"}
    headers |= dict(request.headers.items())
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def burst(url: str, messages: list[bytes]) -> list[Reply]:
    """Open a connection for each message, then send all of them, then read all answers."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    connections = [await asyncio.open_connection(host, port) for _ in messages]
    for (_, writer), message in zip(connections, messages, strict=True):
        writer.write(message)
    return list(await asyncio.gather(*(_read(reader, writer) for reader, writer in connections)))


def send(url: str, message: bytes) -> Reply:
    return asyncio.run(burst(url, [message]))[0]


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Reply:
    content = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body.decode()
