"""Event streams: responses that are sequences of framed, checksummed messages, sent as they happen.

A frame, all numbers big-endian::

    total length (4) | length of headers (4) | CRC-32 of these eight bytes (4)
    headers: length of name (1) | name | type (1) | value …
    payload
    CRC-32 of everything before it (4)

``:message-type`` says what a frame is: an ``event``, an ``exception`` that the model knows, or an ``error``.
Nothing here reads frames: no service that exists takes events as a request.
"""

import logging
from collections.abc import Callable, Mapping
from struct import pack
from typing import Any
from zlib import crc32

from wildsage.aws.model import Shape
from wildsage.aws.protocols.base import internal_failure
from wildsage.aws.protocols.timestamps import to_epoch
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.services.operation import Event, EventStream

EVENT_STREAM_TYPE = "application/vnd.amazon.eventstream"
LARGEST_PAYLOAD = 24 * 1024 * 1024
"""Bytes of payload that clients take in one event. Source: botocore/eventstream.py."""

Document = Callable[[Any], bytes]
Headers = list[bytes]
Writer = Callable[[Mapping[str, Any]], tuple[Headers, bytes]]

_LARGEST_HEADERS = 128 * 1024
_LONGEST_MESSAGE = 4096  # a header holds 32,767 bytes
_logger = logging.getLogger(__name__)


class EventStreamCodec:
    """Writes the event streams of one protocol.

    Parameters
    ----------
    content_type
        Of the protocol's documents.
    document
        Given a structure, returns the function that writes its values in the protocol's format.
    """

    def __init__(self, content_type: str, document: Callable[[Shape], Document]) -> None:
        self._content_type = content_type
        self._document = document
        self._writers: dict[str, Writer] = {}

    def stream(
        self, union: Shape, events: EventStream, request_id: str, *, initial: bytes | None = None
    ) -> ByteStream:
        """Return the body of a response.

        An error that `events` raises becomes the last frame: as the exception of `union` that has its code,
        else as an error without a shape. Closing the body closes `events`.

        Parameters
        ----------
        union
            The shape of the stream: its members are the events and the exceptions.
        initial
            The document of the response's other members, where the protocol sends it as the first event.
        """
        first = b""
        if initial is not None:
            headers = [string(":event-type", "initial-response"), string(":content-type", self._content_type)]
            first = frame([string(":message-type", "event"), *headers], initial)
        return ByteStream(_Frames(self, union, events, request_id, first))

    def event(self, union: Shape, event: Event) -> bytes:
        """Return the frame of one event.

        Raises
        ------
        TypeError
            If the event does not fit the model: a fault of the handler.
        """
        if len(event) != 1 or not event.keys() <= union.members.keys():
            names = ", ".join(union.members)
            raise TypeError(f"an event of {union.name} is one of {names} and its members, got {[*event]}")
        [(name, value)] = event.items()
        headers, payload = self._writer(union.members[name])(value)
        return frame([string(":message-type", "event"), string(":event-type", name), *headers], payload)

    def error(self, union: Shape, error: ServiceError) -> bytes:
        """Return the frame of an error."""
        for name, shape in union.members.items():
            if shape.traits.get("exception") and error.code in (name, shape.name, shape.error_code):
                known = {key: value for key, value in error.members.items() if key in shape.members}
                message = {key: error.message for key in shape.members if key.lower() == "message"}
                headers, payload = self._writer(shape)({**message, **known})
                kind = [string(":message-type", "exception"), string(":exception-type", name)]
                return frame([*kind, *headers], payload)
        return frame(
            [
                string(":message-type", "error"),
                string(":error-code", error.code),
                string(":error-message", error.message[:_LONGEST_MESSAGE]),
            ],
            b"",
        )

    def _writer(self, shape: Shape) -> Writer:
        writer = self._writers.get(shape.name)
        if writer is None:
            writer = self._writers[shape.name] = self._compile(shape)
        return writer

    def _compile(self, shape: Shape) -> Writer:
        in_head = {name: m.kind for name, m in shape.members.items() if m.traits.get("eventheader")}
        payload = next((name for name, m in shape.members.items() if m.traits.get("eventpayload")), None)
        content_type, document = self._content_type, self._document(shape)
        if payload is not None:
            content_type, document = self._payload(shape.members[payload])

        def write(value: Mapping[str, Any]) -> tuple[Headers, bytes]:
            if stray := value.keys() - shape.members.keys():
                raise TypeError(f"{shape.name} has no members {sorted(stray)} in the model")
            headers = [header(n, kind, value[n]) for n, kind in in_head.items() if value.get(n) is not None]
            content: Any = {n: v for n, v in value.items() if n not in in_head}
            if payload is not None:
                content = content.get(payload)
            if content is None or len(in_head) == len(shape.members):
                return headers, b""
            return [string(":content-type", content_type), *headers], document(content)

        return write

    def _payload(self, member: Shape) -> tuple[str, Document]:
        match member.kind:
            case "blob":
                return "application/octet-stream", _blob
            case "string":
                return "text/plain", str.encode
            case _:
                return self._content_type, self._document(member)


class _Frames:
    """The frames of one stream; closing them closes the events, begun or not."""

    def __init__(
        self, codec: EventStreamCodec, union: Shape, events: EventStream, request_id: str, first: bytes
    ) -> None:
        self._codec = codec
        self._union = union
        self._events = events
        self._request_id = request_id
        self._first = first
        self._is_over = False

    def __aiter__(self) -> "_Frames":
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        if self._is_over:
            raise StopAsyncIteration
        try:
            return self._codec.event(self._union, await anext(self._events))
        except StopAsyncIteration:
            raise
        except ServiceError as error:
            failure = error
        except Exception:  # the boundary: the status was sent, so a fault of ours is told in the stream
            _logger.exception("an event stream failed, request id %s", self._request_id)
            failure = internal_failure(self._request_id)
        self._is_over = True
        return self._codec.error(self._union, failure)

    async def aclose(self) -> None:
        """Let go of whatever the events come from."""
        self._is_over = True
        if hasattr(self._events, "aclose"):
            await self._events.aclose()


def frame(headers: Headers, payload: bytes) -> bytes:
    """Return a message.

    Raises
    ------
    ValueError
        If it is larger than clients accept.
    """
    head = b"".join(headers)
    if len(head) > _LARGEST_HEADERS or len(payload) > LARGEST_PAYLOAD:
        raise ValueError(
            f"an event with {len(head)} bytes of headers and {len(payload)} of payload: the limits are"
            f" {_LARGEST_HEADERS} and {LARGEST_PAYLOAD}. Send the payload in several events"
        )
    prelude = pack(">II", len(head) + len(payload) + 16, len(head))
    message = b"".join((prelude, pack(">I", crc32(prelude)), head, payload))
    return message + pack(">I", crc32(message))


def string(name: str, value: str) -> bytes:
    """Return a header of text."""
    return header(name, "string", value)


def header(name: str, kind: str, value: Any) -> bytes:
    """Return a header of the type that a member of this kind has.

    Raises
    ------
    TypeError, ValueError, struct.error
        If the value is not of this kind, or too large for it.
    """
    encoded = name.encode()
    return pack(">B", len(encoded)) + encoded + _VALUES[kind](value)


def _blob(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{value!r:.64} is no blob")
    return bytes(value)


def _sized(code: int) -> Callable[[bytes], bytes]:
    # The length is two bytes, and some clients take it as signed.
    return lambda value: pack(">Bh", code, len(value)) + value


def _number(code: int, form: str) -> Callable[[int], bytes]:
    return lambda value: pack(">B" + form, code, value)


_VALUES: Mapping[str, Callable[[Any], bytes]] = {
    "boolean": lambda value: b"\0" if value else b"\1",
    "byte": _number(2, "b"),
    "short": _number(3, "h"),
    "integer": _number(4, "i"),
    "long": _number(5, "q"),
    "blob": _sized(6),
    "string": lambda value: _sized(7)(value.encode()),
    "timestamp": lambda value: _number(8, "q")(round(to_epoch(value) * 1000)),
}
"""By kind of shape: the type's number and the value."""
