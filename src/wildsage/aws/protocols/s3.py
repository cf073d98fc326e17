"""What S3 does on top of rest-xml: names of roots, bare error documents, ids, the bucket location."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols.base import Call, UnreadableError
from wildsage.aws.protocols.rest import Fields, error_headers
from wildsage.aws.protocols.rest_xml import DECLARATION, RestXmlProtocol, elements
from wildsage.aws.protocols.xml_codec import escaped
from wildsage.aws.routing import decode_label
from wildsage.aws.texts import load
from wildsage.core.errors import NotImplementedOperationError, ServiceError
from wildsage.services.operation import Request, Response

_READS = frozenset({"GetObject", "HeadObject"})


class S3Protocol(RestXmlProtocol):
    """The dialect of S3.

    Parameters
    ----------
    signing_name
        What requests are signed for: directory buckets and Object Lambda live on hosts of their own, where a
        path that is a bucket here means something else.
    """

    request_id_header = "x-amz-request-id"

    def __init__(self, service: Service, signing_name: str = "s3") -> None:
        super().__init__(service)
        self._dialect = load("services.toml")["s3"]
        self._signing_name = signing_name

    @property
    def routed(self) -> Iterable[str]:
        """The operations of the hosts that requests for this signing name go to."""
        apart: Mapping[str, list[str]] = self._dialect["apart"]
        if self._signing_name in apart:
            return apart[self._signing_name]
        return [name for name in self.service.operation_names if name not in chain(*apart.values())]

    async def find_operation(self, call: Call) -> str:
        """Match method, path and query string; S3 has a code for paths that are not UTF-8."""
        try:
            decode_label(call.path)
        except UnicodeDecodeError:
            raise UnreadableError("Couldn't parse the specified URI.", code="InvalidURI") from None
        if self._signing_name != "s3" and self.router.match(call.request, call.path) is None:
            raise NotImplementedOperationError(
                f"{call.request.method} {call.path[:256]} signed for {self._signing_name}: of its operations"
                f" only {', '.join(self.routed)} is known in Wildsage. Use a general purpose bucket"
            )
        return await super().find_operation(call)

    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the request; what is wrong in the query string or a header is an argument, not XML."""
        if operation.name in _READS and "x-amz-server-side-encryption" in call.request.headers:
            raise UnreadableError(
                "x-amz-server-side-encryption header is not supported for this operation.",
                code="InvalidArgument",
            )
        # The file in a form has a length of its own, unknown beforehand.
        bare = call.request.body.length == 0 and "content-length" not in call.request.headers
        if operation.input.streams and bare:
            raise UnreadableError(
                "You must provide the Content-Length HTTP header.", code="MissingContentLength", status=411
            )
        try:
            return await super().parse(call, operation)
        except UnreadableError as error:
            if call.request.body.length == 0:
                raise UnreadableError(error.message, code="InvalidArgument") from None
            raise

    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write the response; the bucket location is the one whose root element is itself a value."""
        if operation.name != "GetBucketLocation":
            return super().serialize(operation, response, request_id)
        location = escaped(response.get("LocationConstraint") or "")
        root = f'<LocationConstraint xmlns="{self._dialect["namespace"]}">{location}</LocationConstraint>'
        headers = [*self.request_ids(request_id), ("content-type", self.document_type)]
        return HttpResponse(200, headers, f"{DECLARATION}{root}".encode())

    def root_name(self, operation: Operation, payload: Shape) -> str:
        """Return the root's name as the API reference has it."""
        return str(self._dialect["roots"].get(operation.name, super().root_name(operation, payload)))

    def namespace(self, shape: Shape) -> str:
        """Return S3's namespace."""
        return super().namespace(shape) or str(self._dialect["namespace"])

    def request_ids(self, request_id: str) -> Fields:
        """Return both ids: the second one says the same at length."""
        extended = base64.b64encode(hashlib.sha512(request_id.encode()).digest()[:57]).decode()
        return [(self.request_id_header, request_id), ("x-amz-id-2", extended)]

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:
        """Write ``<Error>`` with resource and ids; a 304 has headers alone."""
        headers, members = error_headers(call.operation, error.members)
        if "Region" in error.members:
            # The answer to a HEAD has no document: clients that are sent on look here.
            headers.append(("x-amz-bucket-region", error.members["Region"]))
        headers += self.request_ids(request_id)
        if error.status == 304:
            return HttpResponse(304, headers)
        host_id = headers[-1][1]
        document: dict[str, Any] = {
            "Code": error.code,
            "Message": error.message,
            **members,
            "Resource": members.get("Resource", call.path),
            "RequestId": request_id,
            "HostId": host_id,
        }
        body = f"{DECLARATION}<Error>{elements(document)}</Error>"
        return HttpResponse(error.status, [*headers, ("content-type", self.document_type)], body.encode())
