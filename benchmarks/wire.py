"""Requests that were signed beforehand, so that a measurement holds none of a client's own work."""

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.server import REGION


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


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket of a worker."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def connection_to(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc)


def send(connection: http.client.HTTPConnection, request: Request) -> None:
    """Send a request and read its whole answer.

    Raises
    ------
    RuntimeError
        If the answer is an error.
    """
    connection.request("POST", urlsplit(request.url).path, request.body, request.headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(body.decode())
