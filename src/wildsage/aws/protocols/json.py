"""The json protocol, 1.0 and 1.1: the operation in X-Amz-Target, one document each way."""

from collections.abc import Mapping
from typing import Any

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols.base import (
    Call,
    MismatchError,
    Protocol,
    UnknownOperationError,
    UnreadableError,
    read_document,
)
from wildsage.aws.protocols.event_stream import EVENT_STREAM_TYPE, EventStreamCodec
from wildsage.aws.protocols.json_codec import JsonCodec, dumps, loads
from wildsage.core.errors import ServiceError
from wildsage.services.operation import Request, Response


class JsonProtocol(Protocol):
    """SageMaker, CloudWatch Logs and most of AWS's older control planes."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._codec = JsonCodec()
        self._events = EventStreamCodec("application/json", self._codec.document)
        self._content_type = f"application/x-amz-json-{service.metadata.get('jsonVersion', '1.1')}"

    async def find_operation(self, call: Call) -> str:
        """Read the operation off the X-Amz-Target header, ``SageMaker.CreateTrainingJob``."""
        target = call.request.headers.get("x-amz-target")
        prefix, _, name = target.rpartition(".")
        if not name or prefix != self.service.metadata.get("targetPrefix"):
            raise UnknownOperationError(
                f"{target!r} in the X-Amz-Target header is no operation of {self.service.full_name}"
            )
        return name

    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the document; no body at all counts as an empty one."""
        body = await read_document(call.request, self.service.name)
        try:
            request: Request = self._codec.parser(operation.input)(loads(body) if body else {})
        except MismatchError as error:
            raise UnreadableError(str(error)) from None
        return request

    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write the document; an operation without output answers with an empty body."""
        stream = operation.output.event_stream
        if stream is not None:
            return self._serialize_events(operation, stream, response, request_id)
        body = self._codec.document(operation.output)(response)
        return HttpResponse(200, self._headers(request_id), body if "output" in operation.raw else b"")

    def _serialize_events(
        self, operation: Operation, stream: str, response: Response, request_id: str
    ) -> HttpResponse:
        headers = [("content-type", EVENT_STREAM_TYPE), (self.request_id_header, request_id)]
        members = {name: value for name, value in response.items() if name != stream}
        body = self._events.stream(
            operation.output.members[stream],
            response[stream],
            request_id,
            initial=self._codec.document(operation.output)(members),
        )
        return HttpResponse(200, headers, body)

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:  # noqa: ARG002 - for REST
        """Write ``{"__type": code, "message": …}`` and the error's own members."""
        document = {"__type": error.code, **error_document(self.service, self._codec, error)}
        headers = self._headers(request_id)
        if "awsQueryCompatible" in self.service.metadata:
            # Clients of a service that spoke query once still compare the codes of that time.
            headers.append(
                ("x-amzn-query-error", f"{error.code};{'Sender' if error.status < 500 else 'Receiver'}")
            )
        return HttpResponse(error.status, headers, dumps(document))

    def _headers(self, request_id: str) -> list[tuple[str, str]]:
        return [("content-type", self._content_type), (self.request_id_header, request_id)]


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
