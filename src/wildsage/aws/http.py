"""An HTTP request and response as the steps of the gateway see them: nothing decoded, nothing buffered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from wildsage.aws.head import Head
from wildsage.core.streams import ByteStream


class ClientDisconnectedError(ConnectionError):
    """The client went away before its request was complete: there is nobody to answer."""


class Headers:
    """Header fields in the order they came, found by lower-case name.

    Parameters
    ----------
    are_lower
        Says that the names are in lower case already.

    Attributes
    ----------
    first
        The first value of each.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = (), *, are_lower: bool = False) -> None:
        self.fields = list(fields) if are_lower else [(name.lower(), value) for name, value in fields]
        self.first = dict(reversed(self.fields))

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a header, or `default`."""
        return self.first.get(name, default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of a header."""
        if name not in self.first:
            return []
        return [value for field_name, value in self.fields if field_name == name]

    def __contains__(self, name: str) -> bool:
        return name in self.first


@dataclass(slots=True)
class HttpRequest:
    """A request off the wire.

    Attributes
    ----------
    path, query_string
        As sent, percent-encoded: signatures cover these bytes.
    body
        Read once. The authentication step may replace it (chunk signatures, checksums).
    peer
        Address of whoever is at the other end of the connection; empty where that is not known.
    head
        What requests like this one have in common, where the gateway keeps it.
    """

    method: str
    path: str
    query_string: str
    headers: Headers
    body: ByteStream
    scheme: str = "http"
    peer: str = ""
    head: Head | None = None

    def query(self) -> list[tuple[str, str]]:
        """Return the decoded query parameters in order, blank ones included."""
        return parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []


@dataclass(slots=True)
class HttpResponse:
    """A response on its way to the wire."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | ByteStream = b""
