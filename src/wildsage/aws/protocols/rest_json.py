"""The rest-json protocol: methods on paths, JSON documents in the body."""

from typing import Any

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols.base import Call
from wildsage.aws.protocols.event_stream import EventStreamCodec
from wildsage.aws.protocols.json_codec import JsonCodec, dumps, loads
from wildsage.aws.protocols.rest import RestProtocol, error_headers
from wildsage.aws.protocols.rpc import error_document
from wildsage.core.errors import ServiceError


class RestJsonProtocol(RestProtocol):
    """SageMaker Runtime and most services younger than 2015."""

    document_type = "application/json"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._codec = JsonCodec()
        self.events = EventStreamCodec(self.document_type, self._codec.document)

    def parse_document(self, body: bytes, shape: Shape) -> Any:
        """Read the document."""
        return self._codec.parser(shape)(loads(body))

    def write_document(self, value: Any, operation: Operation) -> bytes:
        """Write the document."""
        shape = operation.output
        return self._codec.document(shape.members[shape.payload] if shape.payload else shape)(value)

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:
        """Write the code into a header, message and members into the body."""
        headers, members = error_headers(call.operation, error.members)
        bare = ServiceError(error.message, code=error.code, status=error.status, members=members)
        headers += [
            *self.request_ids(request_id),
            ("content-type", self.document_type),
            ("x-amzn-ErrorType", error.code),
        ]
        return HttpResponse(error.status, headers, dumps(error_document(self.service, self._codec, bare)))
