"""The rest-xml protocol: methods on paths, XML documents in the body."""

from collections.abc import Callable
from typing import Any

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols.base import Call, UnreadableError
from wildsage.aws.protocols.event_stream import EventStreamCodec
from wildsage.aws.protocols.rest import RestProtocol, error_headers
from wildsage.aws.protocols.xml_codec import XmlCodec, escaped
from wildsage.aws.protocols.xml_tree import parse
from wildsage.core.errors import ServiceError

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class RestXmlProtocol(RestProtocol):
    """S3 and its relatives. What only S3 does is in `wildsage.aws.protocols.s3`."""

    document_type = "application/xml"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.codec = XmlCodec()
        self.events = EventStreamCodec("text/xml", self._event_document)

    def unreadable(self, message: str) -> ServiceError:
        """Return the error of a document that cannot be read."""
        return UnreadableError(message, code="MalformedXML")

    def parse_document(self, body: bytes, shape: Shape) -> Any:
        """Read the document; the name of its root element does not matter."""
        return self.codec.parser(shape)(parse(body))

    def write_document(self, value: Any, operation: Operation) -> bytes:
        """Write the document."""
        shape = operation.output
        payload = shape.members[shape.payload] if shape.payload else shape
        root = self.root_name(operation, payload)
        out = [DECLARATION]
        if payload is shape:
            namespace = self.namespace(shape)
            out.append(f'<{root} xmlns="{namespace}">' if namespace else f"<{root}>")
            self.codec.members_writer(shape)(out, value)
            out.append(f"</{root}>")
        else:
            self.codec.writer(payload, root)(out, value)
        return "".join(out).encode()

    def _event_document(self, shape: Shape) -> Callable[[Any], bytes]:
        write = self.codec.writer(shape, shape.wire_name(shape.name))

        def document(value: Any) -> bytes:
            out: list[str] = []
            write(out, value)
            return "".join(out).encode()

        return document

    def root_name(self, operation: Operation, payload: Shape) -> str:  # noqa: ARG002 - S3 asks for it
        """Return the name of a response's root element."""
        return payload.wire_name(payload.name)

    def namespace(self, shape: Shape) -> str:
        """Return the namespace of a response's root element."""
        return str(shape.traits.get("xmlNamespace", {}).get("uri", ""))

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:
        """Write ``<ErrorResponse><Error>``."""
        headers, members = error_headers(call.operation, error.members)
        body = (
            f"{DECLARATION}<ErrorResponse><Error><Type>{'Sender' if error.status < 500 else 'Receiver'}</Type>"
            f"<Code>{escaped(error.code)}</Code><Message>{escaped(error.message)}</Message>"
            f"{elements(members)}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        headers += [*self.request_ids(request_id), ("content-type", self.document_type)]
        return HttpResponse(error.status, headers, body.encode())


def elements(members: dict[str, Any]) -> str:
    """Render an error's further members as elements."""
    return "".join(f"<{name}>{escaped(str(value))}</{name}>" for name, value in members.items())
