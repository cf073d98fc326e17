"""What every protocol does, and the errors of bytes that cannot be read.

A protocol turns bytes into a `Request` and a `Response` into bytes, driven by the model of one
service. It knows types, not rules: whether a value is allowed is for `wildsage.aws.validation`.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.aws.model import Operation, Service
from wildsage.aws.texts import load
from wildsage.core.errors import ServiceError
from wildsage.services.operation import Request, Response

Key = TypeVar("Key")

LARGEST_DOCUMENT = 16 * 1024 * 1024
"""Bytes of a body that must be held in memory as a whole. Streams have no limit here."""


class UnreadableError(ServiceError):
    """The bytes are not what the protocol and the model say they are."""

    code = "SerializationException"
    status = 400


class UnknownOperationError(ServiceError):
    """Nothing in the service's model answers this request."""

    code = "UnknownOperationException"
    status = 400


class MismatchError(Exception):
    """A value has not the type of its shape. Found deep inside, it collects its path on the way out."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.path: list[str] = []

    def at(self, step: str) -> "MismatchError":
        """Add the member or index that the value was found in."""
        self.path.append(step)
        return self

    def __str__(self) -> str:
        return f"{self.rule} (at {'.'.join(reversed(self.path))})" if self.path else self.rule


@dataclass(slots=True)
class Call:
    """A request whose service and protocol are known.

    Attributes
    ----------
    path
        The path that names the resource, percent-encoded. It differs from the request's own path
        where the bucket came in the host's name.
    parameters
        What finding the operation has read already: path labels, or the form of the query protocol.
    operation
        None until it is found.
    account, region
        Whose resources it is about; empty until that is known.
    """

    request: HttpRequest
    service: Service
    protocol: "Protocol"
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    operation: Operation | None = None
    account: str = ""
    region: str = ""

    def __str__(self) -> str:
        if self.operation is None:
            return f"{self.request.method} {self.request.path[:256]}"
        return f"{self.service.name} {self.operation.name}"


class Protocol(ABC):
    """A wire protocol, bound to one service. Compiled parts are kept per operation."""

    request_id_header = "x-amzn-RequestId"
    names_operation_in_head = True

    def __init__(self, service: Service) -> None:
        self.service = service

    def check_length(self, call: Call) -> None:
        """Refuse a body that says it is too large before a byte of it is read.

        Raises
        ------
        ServiceError
            With the service's code, or ``RequestEntityTooLargeException`` (413).
        """
        length = call.request.body.length
        # Most bodies are smaller than any limit: only a large one is worth finding out which limit it has.
        if length is None or length <= LARGEST_DOCUMENT:
            return
        limit = self.body_limit(call)
        if limit is not None and length > limit:
            raise too_large(self.service.name, f"{length} bytes", limit)

    def body_limit(self, _call: Call) -> int | None:
        """Return how many bytes a body may have; None for a stream."""
        return LARGEST_DOCUMENT

    def claims(self, _call: Call) -> bool:
        """Tell, without a target header, whether a request is for this service and not for a namesake."""
        return False

    @abstractmethod
    async def find_operation(self, call: Call) -> str:
        """Return the name of the operation that is called.

        Raises
        ------
        UnknownOperationError
            If the request names none.
        """

    @abstractmethod
    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the request.

        Raises
        ------
        UnreadableError
            If it is malformed, or a member has the wrong type.
        """

    @abstractmethod
    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write a handler's response.

        Raises
        ------
        TypeError
            If the response does not fit the model: a fault of the handler.
        """

    @abstractmethod
    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:
        """Write an error in the shape that clients of this protocol read."""


def internal_failure(request_id: str) -> ServiceError:
    """Return what a client is told of a fault of ours."""
    return ServiceError(f"The server met an internal error; its log has the details under {request_id}")


def late(functions: Mapping[Key, Callable[..., Any]], key: Key) -> Callable[..., Any]:
    """Return a function that is looked up when it is called: shapes may contain themselves."""

    def call(*arguments: Any) -> Any:
        return functions[key](*arguments)

    return call


async def read_document(
    request: HttpRequest, service: str, limit: int = LARGEST_DOCUMENT, *, unpacks: bool = True
) -> bytes:
    """Read a body that has to be in memory as a whole.

    Parameters
    ----------
    unpacks
        Clients compress what is long (gzip) where the model allows it: give back what was compressed.

    Raises
    ------
    ServiceError
        As `Protocol.check_length` does.
    """
    length = request.body.length
    if length is not None and length > limit:
        raise too_large(service, f"{length} bytes", limit)
    try:
        body = await request.body.read(limit)
        packed = unpacks and request.headers.get("content-encoding").lower() == "gzip"
        return _unpacked(body, limit) if packed else body
    except ValueError:
        raise too_large(service, "more", limit) from None


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        document = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnreadableError(f"The body is not what its Content-Encoding says, gzip: {error}") from None
    if len(document) > limit:
        raise ValueError(limit)
    if not unpacker.eof:
        raise UnreadableError("The body ends before the end of what was compressed (gzip)")
    return document


def too_large(service: str, seen: str, limit: int) -> ServiceError:
    """Return the error of a body above its limit, as a service words it."""
    known: Mapping[str, str] = load("services.toml").get(service, {}).get("too_large", {})
    message = known.get("text", "The request body has {seen}; the limit is {limit} bytes")
    return ServiceError(
        message.format(seen=seen, limit=limit),
        code=known.get("code", "RequestEntityTooLargeException"),
        status=413,
    )
