"""What a client says again with each of its requests, and what the steps of the gateway found of it.

A client that calls again sends the head that it sent before, but for its signature, its time, the length of the body
and what counts its attempts. Whatever follows from the rest alone is found once: which service and operation that is,
which members stand in path and headers, which text is signed. Nothing that can change without the head is kept:
whether the key is there, whether signature and time hold, what policies allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wildsage.core.signing import SignedText

if TYPE_CHECKING:
    from wildsage.aws.http import HttpRequest
    from wildsage.aws.model import Operation, Service
    from wildsage.aws.protocols.base import Protocol
    from wildsage.aws.signed_request import Claim
    from wildsage.services.operation import Handler

VARYING = frozenset({
    "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "content-length", "traceparent", "tracestate",
    "x-amz-date", "x-amzn-trace-id",
})  # fmt: skip
"""Fields that differ from request to request of one client. Of ``Authorization`` it is only the signature."""

_MOST_HEADS = 1024
_LONGEST_HEAD = 8192


@dataclass(frozen=True, slots=True)
class Identity:
    """What the identifier found: service, protocol, and the path with what it was matched to."""

    service: "Service"
    protocol: "Protocol"
    path: str
    parameters: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Head:
    """All requests of one head. Each field belongs to one step, which fills it with its first success.

    Attributes
    ----------
    claim, signed
        A claim whose signature held, and the text under it, with gaps where requests differ.
    handler
        What answers the operation, where the head names it.
    members
        The members in path, query string and headers.
    is_valid
        Whether these keep the rules of the model.
    """

    identity: Identity | None = None
    claim: "Claim | None" = None
    signed: SignedText | None = None
    handler: "tuple[Operation, Handler] | None" = None
    members: Mapping[str, str] | None = None
    is_valid: bool = False


class Heads:
    """The heads that came last. For one event loop."""

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], Head] = {}

    def of(self, request: "HttpRequest") -> Head | None:
        """Return the head of a request; None where it is unlikely to come again, or unusual."""
        fields = request.headers.fields
        common, _, signature = request.headers.get("authorization").rpartition("Signature=")
        # With a digest of the body in its head no request is like another: those of S3.
        if not signature.isalnum() or "x-amz-content-sha256" in request.headers:
            return None
        # A field that varies is there with its name: whoever repeats one has another head.
        key = (
            common,
            request.method,
            request.path,
            request.query_string,
            *[field[0] if field[0] in VARYING else field for field in fields],
        )
        head = self._heads.get(key)
        if head is None and _length(request) <= _LONGEST_HEAD:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[key] = Head()
        return head


def _length(request: "HttpRequest") -> int:
    in_fields = sum(len(name) + len(value) for name, value in request.headers.fields)
    return len(request.path) + len(request.query_string) + in_fields
