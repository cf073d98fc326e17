"""Between ASGI and the gateway's request and response."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, cast

from wildsage.aws.http import Headers, HttpRequest, HttpResponse
from wildsage.core.streams import ByteStream

Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_WITHOUT_BODY = frozenset({204, 304})
_LINE_BREAKS = str.maketrans("\r\n\0", "   ")


class ClientDisconnectedError(ConnectionError):
    """The client went away before its request was complete: there is nobody to answer."""


class RequestBody:
    """The chunks of a request's body as they arrive.

    Attributes
    ----------
    started
        Whether anybody has asked for the body. The server sends ``100 Continue`` only then.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.started = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks.

        Raises
        ------
        ClientDisconnectedError
            If the client closes the connection before the end.
        """
        self.started = True
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError("the client closed the connection while sending its request")
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def disconnected(self) -> None:
        """Return when the client is gone; what it still sends until then is dropped."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def read_request(scope: Scope, body: RequestBody) -> HttpRequest:
    """Make a request of an ASGI scope; its body is not touched."""
    headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    length = headers.get("content-length")
    known = int(length) if length.isdecimal() else None
    if known is None and "transfer-encoding" not in headers:
        known = 0
    return HttpRequest(
        method=scope["method"],
        path=cast("bytes", scope.get("raw_path") or scope["path"].encode()).split(b"?")[0].decode("latin-1"),
        query_string=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=ByteStream(body.chunks(), known),
        scheme=scope.get("scheme", "http"),
        peer=(scope.get("client") or ("",))[0],
    )


async def write_response(response: HttpResponse, request: HttpRequest, body: RequestBody, send: Send) -> None:
    """Send a response: status, headers, then the body piece by piece."""
    bare = request.method == "HEAD" or response.status in _WITHOUT_BODY
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [
                (name.lower().encode("latin-1"), value.translate(_LINE_BREAKS).encode("latin-1", "replace"))
                for name, value in _headers(response, request, body)
            ],
        }
    )
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": b"" if bare else response.body})
        return
    # The server accepts chunks for a client that is gone without a word: the stream would run to its end.
    gone = asyncio.create_task(body.disconnected())
    try:
        await _write_stream(response.body, send, gone, bare=bare)
    finally:
        gone.cancel()


async def _write_stream(stream: ByteStream, send: Send, gone: asyncio.Task[None], *, bare: bool) -> None:
    chunks = aiter(stream)
    try:
        if not bare:
            async for chunk in chunks:
                if gone.done():
                    return
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        # Whatever ends the response: the producer lets go of its file now, not when it is collected.
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


def _headers(response: HttpResponse, request: HttpRequest, body: RequestBody) -> list[tuple[str, str]]:
    headers = list(response.headers)
    names = {name.lower() for name, _ in headers}
    length = len(response.body) if isinstance(response.body, bytes) else response.body.length
    if length is not None and "content-length" not in names and response.status not in _WITHOUT_BODY:
        headers.append(("content-length", str(length)))
    if "100-continue" in request.headers.get("expect").lower() and not body.started:
        # The client still holds its body back: bytes of a next request would be taken for it.
        headers.append(("connection", "close"))
    return headers
