"""The head of a response as bytes, and how its body is framed."""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from wildsage.aws.http import HttpResponse

_WITHOUT_BODY = frozenset({204, 304})
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), 127), " ")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body of one response is sent.

    Attributes
    ----------
    length
        Of the body that follows; None: it ends with its last chunk, or with the connection.
    bare
        Only the head is sent.
    """

    length: int | None
    bare: bool
    chunked: bool
    keeps_connection: bool


def response_head(
    response: HttpResponse, *, bodiless: bool, keep_alive: bool, may_chunk: bool
) -> tuple[bytes, Framing]:
    """Return the head of a response, and what it says of the body.

    Parameters
    ----------
    bodiless
        It answers a HEAD: what the body would be is said, and none is sent.
    keep_alive, may_chunk
        What the client can do.

    Raises
    ------
    ValueError
        If a field's name is none.
    """
    status, fields = response.status, clean(response.headers)
    length = len(response.body) if isinstance(response.body, bytes) else response.body.length
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    stated: int | None = None
    for name, value in fields:
        field = _lower(name)
        if field == "connection":
            keep_alive = False  # nobody says anything else there than that it closes
            continue
        lines.append(f"{field}: {value}")
        if field == "content-length":
            stated = int(value)
    has_body = status not in _WITHOUT_BODY
    if stated is None and length is not None and has_body:
        lines.append(f"content-length: {length}")
        stated = length
    chunked = stated is None and has_body and may_chunk and not bodiless
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif stated is None and has_body and not bodiless:
        keep_alive = False
    if not keep_alive:
        lines.append("connection: close")
    lines.append("\r\n")
    head = "\r\n".join(lines).encode("latin-1", "replace")
    return head, Framing(stated, bodiless or not has_body, chunked, keep_alive)


def clean(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Make blanks of what would end a field's line."""
    if "".join([value for _, value in fields]).isprintable():  # nearly always, and fast to find out
        return fields
    return [(name, value.translate(_CONTROLS)) for name, value in fields]


def short_response(status: int, text: str = "") -> bytes:
    """Return the response to what is no request: it closes the connection."""
    body = f"{text}\n".encode("latin-1", "replace") if text else b""
    fields = [("content-type", "text/plain"), ("connection", "close")]
    head, _ = response_head(
        HttpResponse(status, fields, body), bodiless=False, keep_alive=True, may_chunk=False
    )
    return head + body


@lru_cache(maxsize=512)
def _lower(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header field")
    return name.lower()
