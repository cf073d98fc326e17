"""Requests that were signed beforehand, so that a measurement holds none of a client's own work."""

import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.server import REGION

Address = tuple[str, int] | Path
"""A port of this machine, or the socket of a worker."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request."""

    url: str
    body: bytes
    headers: dict[str, str]

    def signed(self, service: str, keys: tuple[str, str]) -> "Request":
        request = AWSRequest("POST", self.url, self.headers, self.body)
        SigV4Auth(Credentials(*keys), service, REGION).add_auth(request)
        return Request(self.url, self.body, dict(request.headers))

    def raw(self) -> bytes:
        """Return its bytes on the wire."""
        parts = urlsplit(self.url)
        fields = {"Host": parts.netloc or "localhost", "Content-Length": str(len(self.body)), **self.headers}
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def address_of(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def connect(address: Address) -> socket.socket:
    if isinstance(address, Path):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(address))
        return connection
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
