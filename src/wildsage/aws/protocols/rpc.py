"""What json and rpc-v2-cbor share: one document each way, the operation named beside it."""

from collections.abc import Mapping
from typing import Any

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols.base import Call, MismatchError, Protocol, UnreadableError, read_document
from wildsage.aws.protocols.event_stream import EVENT_STREAM_TYPE, EventStreamCodec
from wildsage.aws.protocols.json_codec import JsonCodec
from wildsage.core.errors import ServiceError
from wildsage.services.operation import Request, Response

Fields = list[tuple[str, str]]


class RpcProtocol(Protocol):
    """A protocol whose request and response are one document.

    Parameters
    ----------
    codec
        Reads and writes the documents.
    content_type
        Of requests and responses.
    event_type
        Of the documents in events.
    """

    headers: tuple[tuple[str, str], ...] = ()
    """What every response carries."""

    def __init__(self, service: Service, codec: JsonCodec, content_type: str, event_type: str) -> None:
        super().__init__(service)
        self._codec = codec
        self._content_type = content_type
        self._events = EventStreamCodec(event_type, codec.document)

    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the document; no body at all counts as an empty one."""
        body = await read_document(call.request, self.service.name)
        try:
            request: Request = self._codec.parser(operation.input)(self._codec.loads(body) if body else {})
        except MismatchError as error:
            raise UnreadableError(str(error)) from None
        return request

    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write the document; an operation without output answers with an empty body."""
        stream = operation.output.event_stream
        if stream is not None:
            return self._serialize_events(operation, stream, response, request_id)
        body = self._codec.document(operation.output)(response)
        if "output" not in operation.raw:
            body = b""
        return HttpResponse(200, self._fields(request_id, self._content_type), body)

    def _serialize_events(
        self, operation: Operation, stream: str, response: Response, request_id: str
    ) -> HttpResponse:
        members = {name: value for name, value in response.items() if name != stream}
        body = self._events.stream(
            operation.output.members[stream],
            response[stream],
            request_id,
            initial=self._codec.document(operation.output)(members),
        )
        return HttpResponse(200, self._fields(request_id, EVENT_STREAM_TYPE), body)

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:  # noqa: ARG002 - for REST
        """Write ``{"__type": code, "message": …}`` and the error's own members."""
        headers = self._fields(request_id, self._content_type)
        kind = error.code
        if "awsQueryCompatible" in self.service.metadata:
            # A service that spoke query once: clients take the code of that time from a header.
            shape = self.service.error(error.code)
            code = error.code if shape is None else shape.error_code
            kind = error.code if shape is None else shape.name
            headers.append(("x-amzn-query-error", f"{code};{'Sender' if error.status < 500 else 'Receiver'}"))
        document = {"__type": kind, **error_document(self.service, self._codec, error)}
        return HttpResponse(error.status, headers, self._codec.dumps(document))

    def _fields(self, request_id: str, content_type: str) -> Fields:
        return [("content-type", content_type), (self.request_id_header, request_id), *self.headers]


def error_document(service: Service, codec: JsonCodec, error: ServiceError) -> dict[str, Any]:
    """Return message and members of an error by the names that its model gives them."""
    shape = service.error(error.code)
    members: Mapping[str, Shape] = {} if shape is None else shape.members
    document = {_message_name(members): error.message}
    for name, value in error.members.items():
        modelled = members.get(name)
        document[name] = value if modelled is None else codec.serializer(modelled)(value)
    return document


def _message_name(members: Mapping[str, Shape]) -> str:
    return next((name for name in members if name.lower() == "message"), "message")
