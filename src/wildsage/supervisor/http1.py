"""A client for HTTP/1.1, as small as the supervisor's start must be quick.

``http.client`` brings the email package and TLS with it and doubles the time to import the supervisor, which
every job waits for. The only server spoken to is Wildsage's own, by plain HTTP.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 60.0
_LONGEST_LINE = 1 << 16
_MOST_FIELDS = 200
_CONTINUE = 100
_WITHOUT_BODY = frozenset({_CONTINUE, 204})


class ProtocolError(ConnectionError):
    """What came is no HTTP/1.1 response, or less than it announced."""


class Response:
    """Status, header fields and a body to read.

    Attributes
    ----------
    headers
        By lower-case name.
    ended
        The whole body was read; the connection may carry another request.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        version, _, rest = self._line().partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ProtocolError(f"no HTTP response: {version[:20]!r}")
        self.status = int(rest[:3])
        self.headers = dict(self._fields())
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = "0" if self.status in _WITHOUT_BODY else self.headers.get("content-length", "")
        if not self._chunked and not length.isdigit():
            raise ProtocolError("the response has neither a length nor chunks")
        self._left = 0 if self._chunked else int(length)
        self.ended = not self._chunked and self._left == 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the body; nothing at its end.

        Raises
        ------
        ProtocolError
            If the connection ends before the body.
        """
        if self._chunked and self._left == 0 and not self.ended:
            self._next_chunk()
        if self.ended:
            return b""
        content = self._file.read(min(size, self._left))
        if not content:
            raise ProtocolError("the connection ended before the body")
        self._left -= len(content)
        if self._left == 0:
            if self._chunked:
                self._line()
            else:
                self.ended = True
        return content

    def _next_chunk(self) -> None:
        size = self._line().partition(";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise ProtocolError(f"no chunk size: {size[:20]!r}") from None
        if self._left == 0:
            self.ended = True
            dict(self._fields())  # trailers

    def _fields(self) -> Iterator[tuple[str, str]]:
        for _ in range(_MOST_FIELDS):
            line = self._line()
            if not line:
                return
            name, _, value = line.partition(":")
            yield name.strip().lower(), value.strip()
        raise ProtocolError(f"more than {_MOST_FIELDS} header fields")

    def _line(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ProtocolError("the connection ended within the response's head")
        return line.rstrip(b"\r\n").decode("latin-1")


class Connection:
    """A kept connection to the server of a URL. Not for several threads."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise OSError(f"{url!r} is no http URL: a supervisor speaks plain HTTP to its own server")
        self._address = (parts.hostname, parts.port or 80)
        self._host = parts.netloc
        self._socket: socket.socket | None = None
        self._file: BinaryIO | None = None

    @contextmanager
    def send(
        self, method: str, url: str, headers: Mapping[str, str], size: int = 0, body: Iterable[bytes] = ()
    ) -> Iterator[Response]:
        """Send a request and yield the response; its body is read within the context.

        Parameters
        ----------
        size
            Bytes of the request's body. It is sent when the server has said that it wants it, so a refusal costs
            nothing. What iterating over it raises ends the connection: the server has less than it was promised,
            and drops it.

        Raises
        ------
        ConnectionError, TimeoutError
            What the network does.
        """
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"host": self._host, "accept-encoding": "identity", **headers}
        if method != "GET":
            fields["content-length"] = str(size)
        if size:
            fields["expect"] = "100-continue"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        whole = False
        try:
            response = self._exchange(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"), body)
            yield response
            whole = response.ended and response.headers.get("connection", "").lower() != "close"
        finally:
            if not whole:
                self.close()

    def _exchange(self, head: bytes, body: Iterable[bytes]) -> Response:
        connection, file = self._opened()
        connection.sendall(head)
        response = Response(file)
        if response.status == _CONTINUE:
            for piece in body:
                connection.sendall(piece)
            response = Response(file)
        return response

    def _opened(self) -> tuple[socket.socket, BinaryIO]:
        if self._socket is None or self._file is None:
            self._socket = socket.create_connection(self._address, _TIMEOUT_SECONDS)
            self._file = self._socket.makefile("rb")
        return self._socket, self._file

    def close(self) -> None:
        """Close; the next request opens it again."""
        for resource in (self._file, self._socket):
            if resource is not None:
                resource.close()
        self._file = self._socket = None
