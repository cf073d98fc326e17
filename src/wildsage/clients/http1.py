"""HTTP/1.1 as a relay sees it: heads are read, bodies are passed on as they are framed.

Nothing is decoded and at most one chunk is held in memory. A message whose end two readers could see in
different places is refused: that is what request smuggling lives on.
"""

import asyncio
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from dataclasses import dataclass
from enum import Enum

LARGEST_HEAD = 64 * 1024
_PIECE = 256 * 1024
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class HttpError(Exception):
    """A message that breaks HTTP's rules. The text can be shown to the sender."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class TruncatedError(Exception):
    """The connection ended inside a message."""


class Ending(Enum):
    """How a body shows its end, where it is not a length."""

    CHUNKED = "chunked"
    CLOSE = "close"


Framing = int | Ending
"""The length of a body in bytes, or how it ends."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the fields of a message.

    Attributes
    ----------
    raw
        The bytes as they came, with the empty line.
    first
        The three parts of the first line.
    fields
        Names in lower case, values without surrounding blanks.
    """

    raw: bytes
    first: tuple[str, str, str]
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """Return the first value of a field, or an empty string."""
        return next((value for field, value in self.fields if field == name), "")

    def tokens(self, name: str) -> list[str]:
        """Return the comma-separated items of a field, in lower case."""
        values = ",".join(value for field, value in self.fields if field == name)
        return [item.strip().lower() for item in values.split(",") if item.strip()]


class RequestHead(Head):
    """The head of a request."""

    __slots__ = ()

    @property
    def method(self) -> str:
        """The method, as sent."""
        return self.first[0]

    @property
    def target(self) -> str:
        """The request target: a path, an absolute URL, or ``host:port``."""
        return self.first[1]

    @property
    def keeps_alive(self) -> bool:
        """Whether the sender means to send another request."""
        return _keeps_alive(self, self.first[2])

    def framing(self) -> Framing:
        """Return where the body ends; 0 for none.

        Raises
        ------
        HttpError
            If the head does not say so in one way.
        """
        framing = _framing(self)
        return 0 if framing is None else framing

    def readdressed(self, target: str, proxy_authorization: str | None = None) -> bytes:
        """Return the head for the next hop: another target, and without what was meant for this proxy.

        `proxy_authorization` is for the next one, where there is one.
        """
        lines = self.raw.split(b"\r\n")
        lines[0] = f"{self.method} {target} {self.first[2]}".encode("latin-1")
        lines = [
            line
            for line in lines
            if not line.lower().startswith((b"proxy-authorization:", b"proxy-connection:"))
        ]
        if proxy_authorization:
            lines.insert(1, f"Proxy-Authorization: {proxy_authorization}".encode())
        return b"\r\n".join(lines)


class ResponseHead(Head):
    """The head of a response."""

    __slots__ = ()

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.first[1])

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can carry another response."""
        return _keeps_alive(self, self.first[0])

    def framing(self, method: str) -> Framing:
        """Return where the body of the answer to a request with `method` ends; 0 for none."""
        if method == "HEAD" or self.status < 200 or self.status in {204, 304}:
            return 0
        framing = _framing(self)
        return Ending.CLOSE if framing is None else framing


async def read_request_head(reader: StreamReader, idle: float, patience: float) -> RequestHead | None:
    """Read the head of a request; None where the connection ended instead of beginning one.

    Parameters
    ----------
    idle
        Seconds to wait for the first byte.
    patience
        Seconds to wait for the rest once it has begun.

    Raises
    ------
    HttpError
        If it is no HTTP or too large.
    TruncatedError
        If the connection ended inside.
    TimeoutError
        If the sender is too slow.
    """
    async with asyncio.timeout(idle):
        begun = await reader.read(1)
    async with asyncio.timeout(patience):
        raw = await _read_raw_head(reader, begun) if begun else None
    if raw is None:
        return None
    first, fields = _parse(raw)
    if not first[2].startswith("HTTP/1."):
        raise HttpError(f"the request line has no HTTP/1 version: {' '.join(first)[:100]!r}", 505)
    return RequestHead(raw, first, fields)


async def read_response_head(reader: StreamReader) -> ResponseHead:
    """Read the head of a response.

    Raises
    ------
    HttpError
        If it is no HTTP or too large.
    TruncatedError
        If the connection ended before it did.
    """
    raw = await _read_raw_head(reader)
    if raw is None:
        raise TruncatedError("the connection ended before a response")
    first, fields = _parse(raw)
    if not first[0].startswith("HTTP/1.") or not (len(first[1]) == 3 and first[1].isdigit()):
        raise HttpError(f"no HTTP/1 status line: {' '.join(first)[:100]!r}", 502)
    return ResponseHead(raw, first, fields)


async def relay_body(reader: StreamReader, writer: StreamWriter, framing: Framing) -> None:
    """Pass a body on, framing included, as fast as the receiver takes it.

    Raises
    ------
    HttpError
        If the framing of a chunked body is broken.
    TruncatedError
        If the connection ended inside.
    """
    if framing is Ending.CHUNKED:
        await _relay_chunks(reader, writer)
    elif framing is Ending.CLOSE:
        await relay_to_end(reader, writer)
    elif isinstance(framing, int):
        await _relay_exactly(reader, writer, framing)


async def relay_to_end(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass everything on until the sender is done."""
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()


async def _relay_exactly(reader: StreamReader, writer: StreamWriter, size: int) -> None:
    while size > 0:
        data = await reader.read(min(size, _PIECE))
        if not data:
            raise TruncatedError(f"the connection ended {size} bytes before the end of a body")
        size -= len(data)
        writer.write(data)
        await writer.drain()


async def _relay_chunks(reader: StreamReader, writer: StreamWriter) -> None:
    size = -1
    while size != 0:
        line = await _read_line(reader)
        digits = line.split(b";", 1)[0].strip()
        if not digits or len(digits) > 15 or not all(byte in b"0123456789abcdefABCDEF" for byte in digits):
            raise HttpError(f"not a chunk size: {line[:40]!r}")
        size = int(digits, 16)
        writer.write(line)
        if size:
            await _relay_exactly(reader, writer, size)
            if await _read_line(reader) != b"\r\n":
                raise HttpError("a chunk is longer than its size says")
            writer.write(b"\r\n")
    await _relay_trailers(reader, writer)


async def _relay_trailers(reader: StreamReader, writer: StreamWriter) -> None:
    total = 0
    line = b""
    while line != b"\r\n":
        line = await _read_line(reader)
        total += len(line)
        if total > LARGEST_HEAD:
            raise HttpError(f"the trailing fields are larger than {LARGEST_HEAD} bytes", 431)
        writer.write(line)
    await writer.drain()


async def _read_line(reader: StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except IncompleteReadError as error:
        raise TruncatedError("the connection ended inside a chunked body") from error
    except LimitOverrunError as error:
        raise HttpError("a line of a chunked body is too long") from error


async def _read_raw_head(reader: StreamReader, begun: bytes = b"") -> bytes | None:
    try:
        raw = begun + await reader.readuntil(b"\r\n\r\n")
    except IncompleteReadError as error:
        if not (begun + error.partial).strip():
            return None
        raise TruncatedError("the connection ended inside the head of a message") from error
    except LimitOverrunError as error:
        raise HttpError(f"the head of the message is larger than {LARGEST_HEAD} bytes", 431) from error
    if len(raw) > LARGEST_HEAD:
        raise HttpError(f"the head of the message is larger than {LARGEST_HEAD} bytes", 431)
    # A stray line end before a message is to be forgiven (RFC 9112, 2.2).
    return raw.lstrip(b"\r\n")


def _parse(raw: bytes) -> tuple[tuple[str, str, str], tuple[tuple[str, str], ...]]:
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = lines[0].decode("latin-1").split(" ", 2)
    if len(parts) == 2:
        parts.append("")  # a status line without reason
    if len(parts) != 3:
        raise HttpError(f"not an HTTP/1 message: {lines[0][:100]!r}")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or not _TOKEN.issuperset(name) or any(byte in value for byte in b"\r\n\0"):
            raise HttpError(f"not a header field: {line[:100]!r}")
        fields.append((name.decode().lower(), value.strip(b" \t").decode("latin-1")))
    return (parts[0], parts[1], parts[2]), tuple(fields)


def _framing(head: Head) -> Framing | None:
    """Return the framing that the fields state, or None where they state none."""
    codings = head.tokens("transfer-encoding")
    lengths = head.tokens("content-length")
    if codings:
        if lengths:
            raise HttpError("Content-Length and Transfer-Encoding exclude each other: send one of them")
        if codings != ["chunked"]:
            raise HttpError(f"the transfer encoding {', '.join(codings)!r} is not known: use 'chunked'", 501)
        return Ending.CHUNKED
    if not lengths:
        return None
    length = lengths[0]
    if len(lengths) > 1 or not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise HttpError(f"Content-Length must be one decimal number: {head.get('content-length')!r}")
    return int(length)


def _keeps_alive(head: Head, version: str) -> bool:
    wanted = head.tokens("connection") + head.tokens("proxy-connection")
    if version.startswith("HTTP/1.0"):
        return "keep-alive" in wanted
    return "close" not in wanted
