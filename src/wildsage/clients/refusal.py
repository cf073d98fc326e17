"""Errors that the proxy itself answers, in the form that the client's protocol can read."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from xml.sax.saxutils import escape

from wildsage.clients.hosts import service_of
from wildsage.clients.http1 import RequestHead

_SCOPE = re.compile(
    r"(?:Credential=|X-Amz-Credential=)[^/&,]+(?:/|%2F)\d{8}(?:/|%2F)[^/&%]+(?:/|%2F)(?P<service>[^/&%]+)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered by the server: code and text of an AWS error."""

    status: int
    code: str
    message: str

    def answer(self, head: RequestHead) -> bytes:
        """Return the whole response to a request, after which the connection is closed."""
        kind, body = self._body(head)
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            f"x-amzn-ErrorType: {self.code}",
            "Connection: close",
        ]
        if "smithy-protocol" in dict(head.fields):
            lines.append(f"smithy-protocol: {head.get('smithy-protocol')}")
        start = "\r\n".join([*lines, "", ""]).encode()
        return start if head.method == "HEAD" else start + body

    def plain(self) -> bytes:
        """Return the response to a client that speaks no AWS protocol."""
        body = f"{self.message}\n".encode()
        return (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode() + body

    def _body(self, head: RequestHead) -> tuple[str, bytes]:
        if head.get("smithy-protocol") == "rpc-v2-cbor":
            return "application/cbor", _cbor({"__type": self.code, "message": self.message})
        code, message = escape(self.code), escape(self.message)
        error = f"<Code>{code}</Code><Message>{message}</Message>"
        if _service(head) in {"s3", "s3express"}:
            return "application/xml", f"<?xml version='1.0' encoding='UTF-8'?><Error>{error}</Error>".encode()
        if head.get("content-type").startswith("application/x-www-form-urlencoded"):
            body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
            return "text/xml", body.encode()
        kind = head.get("content-type") if "x-amz-target" in dict(head.fields) else "application/json"
        return kind, json.dumps({"__type": self.code, "message": self.message}).encode()


def _service(head: RequestHead) -> str | None:
    """Return the service a request means: by its signature's scope, else by its host."""
    found = _SCOPE.search(head.get("authorization")) or _SCOPE.search(head.target)
    if found:
        return found["service"]
    if head.get("authorization").startswith("AWS ") or "AWSAccessKeyId=" in head.target:
        return "s3"  # only S3 takes version 2 signatures
    return service_of(head.get("host").partition(":")[0])


def _cbor(fields: dict[str, str]) -> bytes:
    """Encode a small map of texts (RFC 8949)."""

    def text(value: str) -> bytes:
        data = value.encode()
        return b"\x79" + len(data).to_bytes(2) + data

    return bytes([0xA0 + len(fields)]) + b"".join(text(name) + text(value) for name, value in fields.items())
