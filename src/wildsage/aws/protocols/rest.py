"""What rest-json and rest-xml share: members in the path, the query string, headers and the payload.

The document in the body is the affair of the two subclasses.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wildsage.aws.head import VARYING
from wildsage.aws.http import Headers, HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols import text_codec
from wildsage.aws.protocols.base import (
    LARGEST_DOCUMENT,
    Call,
    MismatchError,
    Protocol,
    UnknownOperationError,
    UnreadableError,
    read_document,
)
from wildsage.aws.protocols.event_stream import EVENT_STREAM_TYPE, EventStreamCodec
from wildsage.aws.protocols.timestamps import RFC_822
from wildsage.aws.routing import Query, Route, Router, decode_label
from wildsage.aws.texts import load
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream
from wildsage.services.operation import STATUS, Request, Response

Read = Callable[[Mapping[str, str], Query, Headers], Any]
"""From labels, query and headers to a member's value; None where the member is absent."""

Fields = list[tuple[str, str]]


class RestProtocol(Protocol):
    """A protocol whose operations are methods on paths.

    Attributes
    ----------
    events
        Writes event streams, whose documents are the subclass's.
    """

    events: EventStreamCodec

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._inputs: dict[str, _Input] = {}
        self._outputs: dict[str, _Output] = {}
        self._limits: Mapping[str, int] = load("services.toml").get(service.name, {}).get("body_limits", {})

    @cached_property
    def router(self) -> Router:
        """The routes of the service."""
        return Router(self.service, self.routed)

    @property
    def routed(self) -> Iterable[str]:
        """The operations that have a route."""
        return self.service.operation_names

    def route_of(self, call: Call) -> Route | None:
        """Return where the path leads; None where it leads nowhere. Looked for once in a call."""
        if "route" not in call.parameters:
            call.parameters = {"route": self.router.match(call.request, call.path)}
        route: Route | None = call.parameters["route"]
        return route

    def claims(self, call: Call) -> bool:
        """Claim what has a route."""
        return self.route_of(call) is not None

    def prepare(self) -> None:
        """Make the routes now, not with the first request."""
        _ = self.router

    def body_limit(self, call: Call) -> int | None:
        """Return the limit of the operation that the path names."""
        route = self.route_of(call)
        operation = None if route is None else self.service.operation(route.operation)
        if operation is None:
            return LARGEST_DOCUMENT
        return None if operation.input.streams else self._limits.get(operation.name, LARGEST_DOCUMENT)

    async def find_operation(self, call: Call) -> str:
        """Match method, path and query string."""
        route = self.route_of(call)
        if route is None:
            raise UnknownOperationError(
                f"{call.request.method} {call.request.path[:256]} is no operation of {self.service.full_name}",
                status=404,
            )
        return route.operation

    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the members from wherever the model puts them."""
        try:
            source = self._inputs.get(operation.name)
            if source is None:
                source = self._inputs[operation.name] = _Input.of(operation)
            if source.varies:
                call.request.head = None  # what it says of the members is not all
            request = _read_outside(call, source)
            await self._read_body(call, operation, source, request)
        except MismatchError as error:
            raise self.unreadable(str(error)) from None
        return request

    def unreadable(self, message: str) -> ServiceError:
        """Return the error of a request that cannot be read."""
        return UnreadableError(message)

    async def _read_body(self, call: Call, operation: Operation, source: "_Input", request: Request) -> None:
        payload = source.payload
        if source.is_stream:
            # A required stream may be empty, but it is there.
            request[payload] = call.request.body
            return
        if not payload and not source.is_document:
            return
        limit = self._limits.get(operation.name, LARGEST_DOCUMENT)
        body = await read_document(call.request, self.service.name, limit, unpacks=False)
        if not body:
            return
        shape = operation.input
        match source.payload_kind:
            case "":
                request.update(self.parse_document(body, shape))
            case "blob":
                request[payload] = body
            case "string":
                request[payload] = _decoded(body)
            case _:
                request[payload] = self.parse_document(body, shape.members[payload])

    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write the members to wherever the model puts them."""
        output = self._outputs.get(operation.name)
        if output is None:
            output = self._outputs[operation.name] = _Output.of(operation)
        headers = self.request_ids(request_id)
        document: Response = {}
        for name, value in response.items():
            if value is None:
                continue
            write = output.writers.get(name)
            if write is not None:
                headers += write(value)
            else:
                document[name] = value
        status = int(document.pop(output.status_member, operation.status))
        if output.stream is not None:
            headers.append(("content-type", EVENT_STREAM_TYPE))
            events = self.events.stream(
                operation.output.members[output.stream], document[output.stream], request_id
            )
            return HttpResponse(status, headers, events)
        body, content_type = self._body(operation, output, document)
        if content_type and response.get(output.type_member) is None:
            headers.append(("content-type", content_type))
        return HttpResponse(status, headers, body)

    def _body(
        self, operation: Operation, output: "_Output", document: Response
    ) -> tuple[bytes | ByteStream, str]:
        if output.is_document:
            return self.write_document(document, operation), self.document_type
        value = document.pop(output.payload, None)
        if document:
            raise TypeError(f"{operation.output.name} has no members {sorted(document)} in the model")
        if value is None:
            return b"", ""
        match output.payload_kind:
            case "blob":
                return value, "application/octet-stream"
            case "string":
                return value.encode(), "text/plain"
            case _:
                return self.write_document(value, operation), self.document_type

    document_type = ""

    def request_ids(self, request_id: str) -> Fields:
        """Return the headers that carry the request's id."""
        return [(self.request_id_header, request_id)]

    @abstractmethod
    def parse_document(self, body: bytes, shape: Shape) -> Any:
        """Read the document in a body."""

    @abstractmethod
    def write_document(self, value: Any, operation: Operation) -> bytes:
        """Write the document of a response: its payload, or its members without a place of their own."""


@dataclass(frozen=True, slots=True)
class _Input:
    """Where the members of one operation's request are.

    Attributes
    ----------
    reads
        Of those in path, query string and headers.
    payload
        The one that is the whole body; empty where none is.
    is_stream
        Whether it is read by the handler.
    is_document
        Whether the members without a place of their own are a document in the body.
    varies
        Whether a member is in a field that requests of one head differ in.
    """

    reads: Sequence[tuple[str, Read]]
    payload: str
    payload_kind: str
    is_stream: bool
    is_document: bool
    varies: bool

    @classmethod
    def of(cls, operation: Operation) -> "_Input":
        shape = operation.input
        payload = shape.payload or ""
        found = ((name, _reader(name, member)) for name, member in shape.members.items())
        return cls(
            reads=[(name, read) for name, read in found if read is not None],
            payload=payload,
            payload_kind=shape.members[payload].kind if payload else "",
            is_stream=shape.streams,
            is_document=not payload and any(not member.location for member in shape.members.values()),
            varies=any(
                member.location == "header" and member.wire_name(name).lower() in VARYING
                for name, member in shape.members.items()
            ),
        )


def _is_content_type(name: str, member: Shape) -> bool:
    return member.location == "header" and member.wire_name(name).lower() == "content-type"


def _read_outside(call: Call, source: _Input) -> Request:
    """Read the members in path, query string and headers."""
    head = call.request.head
    if head is not None and head.members is not None:
        return dict(head.members)
    route: Route = call.parameters["route"]
    labels, query, headers = route.labels, route.query, call.request.headers
    request: Request = {}
    for name, read in source.reads:
        try:
            value = read(labels, query, headers)
        except MismatchError as error:
            raise error.at(name) from None
        if value is not None:
            request[name] = value
    if head is not None and all(isinstance(value, str) for value in request.values()):
        head.members = dict(request)
    return request


@dataclass(frozen=True, slots=True)
class _Output:
    """Where the members of one operation's response go.

    Attributes
    ----------
    writers
        Of those that are headers.
    type_member, status_member
        The ones that are the content type and the status; else what a handler sets the status with.
    stream, payload
        The one that is the whole body, as an event stream or as it is; empty where none is.
    is_document
        Whether the members without a place of their own are a document in the body.
    """

    writers: Mapping[str, Callable[[Any], Fields]]
    type_member: str
    status_member: str
    stream: str | None
    payload: str
    payload_kind: str
    is_document: bool

    @classmethod
    def of(cls, operation: Operation) -> "_Output":
        shape = operation.output
        members = shape.members.items()
        payload = shape.payload or ""
        return cls(
            writers=_writers(shape),
            type_member=next((name for name, member in members if _is_content_type(name, member)), ""),
            status_member=next((name for name, member in members if member.location == "statusCode"), STATUS),
            stream=shape.event_stream,
            payload=payload,
            payload_kind=shape.members[payload].kind if payload else "",
            is_document=not payload and any(not member.location for _, member in members),
        )


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MismatchError("the body is no UTF-8 text") from None


def _reader(name: str, member: Shape) -> Read | None:
    wire_name = member.wire_name(name)
    match member.location:
        case "uri":
            return _label_reader(wire_name.replace("-", "_"), text_codec.parser(member))
        case "querystring":
            return _query_reader(wire_name, member)
        case "header":
            return _header_reader(wire_name.lower(), member)
        case "headers":
            return _prefix_reader(wire_name.lower())
        case _:
            return None


def _label_reader(name: str, parse: text_codec.Parse) -> Read:
    def read(labels: Mapping[str, str], _query: Query, _headers: Headers) -> Any:
        try:
            return parse(decode_label(labels[name]))
        except UnicodeDecodeError:
            raise MismatchError("the path is not UTF-8 in percent-encoding") from None

    return read


def _query_reader(name: str, member: Shape) -> Read:
    if member.kind == "list":
        element = text_codec.parser(member.element)
        return lambda _labels, query, _headers: [element(v) for v in query[name]] if name in query else None
    if member.kind == "map":
        return _query_map_reader(member)
    parse = text_codec.parser(member)
    return lambda _labels, query, _headers: parse(query[name][0]) if name in query else None


def _query_map_reader(member: Shape) -> Read:
    def read(_labels: Mapping[str, str], query: Query, _headers: Headers) -> Any:
        if member.element.kind == "list":
            return {name: list(values) for name, values in query.items()}
        return {name: values[0] for name, values in query.items()}

    return read


def _header_reader(name: str, member: Shape) -> Read:
    if member.kind == "list":
        element = text_codec.parser(member.element)

        def read_list(_labels: Mapping[str, str], _query: Query, headers: Headers) -> Any:
            values = headers.get_all(name)
            if not values:
                return None
            return [element(item) for value in values for item in text_codec.split_list(value)]

        return read_list
    parse = text_codec.parser(member)
    return lambda _labels, _query, headers: parse(headers.get(name)) if name in headers else None


def _prefix_reader(prefix: str) -> Read:
    def read(_labels: Mapping[str, str], _query: Query, headers: Headers) -> Any:
        found: dict[str, str] = {}
        for name, value in headers.fields:
            if name.startswith(prefix):
                key = name[len(prefix) :]
                found[key] = f"{found[key]},{value}" if key in found else value
        return found or None

    return read


def _writers(shape: Shape) -> Mapping[str, Callable[[Any], Fields]]:
    writers: dict[str, Callable[[Any], Fields]] = {}
    for name, member in shape.members.items():
        if member.location == "header":
            writers[name] = _header_writer(member.wire_name(name), member)
        elif member.location == "headers":
            writers[name] = _prefix_writer(member.wire_name(name))
    return writers


def _header_writer(name: str, member: Shape) -> Callable[[Any], Fields]:
    if member.kind == "list":
        element = text_codec.writer(member.element, RFC_822)
        return lambda values: [(name, text_codec.join_list([element(value) for value in values]))]
    write = text_codec.writer(member, RFC_822)
    return lambda value: [(name, write(value))]


def _prefix_writer(prefix: str) -> Callable[[Any], Fields]:
    return lambda values: [(prefix + name, value) for name, value in values.items()]


def error_headers(operation: Operation | None, members: Mapping[str, Any]) -> tuple[Fields, dict[str, Any]]:
    """Split an error's members into those that the operation answers as headers, and the others.

    So a 304 can carry ``ETag``, and a 404 on a delete marker ``DeleteMarker``.
    """
    writers = {} if operation is None else _writers(operation.output)
    headers: Fields = []
    for name in members.keys() & writers.keys():
        headers += writers[name](members[name])
    return headers, {name: value for name, value in members.items() if name not in writers}
