"""The smithy-rpc-v2-cbor protocol: service and operation in the path, one CBOR document each way."""

import re

from wildsage.aws.http import HttpRequest
from wildsage.aws.model import Service
from wildsage.aws.protocols.base import Call, UnknownOperationError
from wildsage.aws.protocols.cbor_codec import CborCodec
from wildsage.aws.protocols.rpc import RpcProtocol

# Whatever stands before it belongs to the endpoint.
_PATH = re.compile(r"(?:/.*)?/service/(?P<service>\w+)/operation/(?P<operation>\w+)", re.ASCII)


class RpcV2CborProtocol(RpcProtocol):
    """CloudWatch, for clients that prefer it over json."""

    headers = (("smithy-protocol", "rpc-v2-cbor"),)

    def __init__(self, service: Service) -> None:
        super().__init__(service, CborCodec(), "application/cbor", "application/cbor")

    def names(self, request: HttpRequest) -> str | None:
        """Return the operation that a path names, if it is one of this service's."""
        found = _PATH.fullmatch(request.path) if request.method == "POST" else None
        if found is None or found["service"] != self.service.metadata.get("targetPrefix"):
            return None
        return found["operation"]

    def claims(self, call: Call) -> bool:
        """Claim what names this service in its path."""
        return self.names(call.request) is not None

    async def find_operation(self, call: Call) -> str:
        """Read the operation off the path, ``/service/GraniteServiceVersion20100801/operation/ListMetrics``."""
        name = self.names(call.request)
        if name is None:
            prefix = self.service.metadata.get("targetPrefix")
            raise UnknownOperationError(
                f"{call.request.method} {call.request.path[:256]} is no operation of {self.service.full_name}:"
                f" with smithy-protocol, it is called by POST /service/{prefix}/operation/NAME",
                status=404,
            )
        return name
