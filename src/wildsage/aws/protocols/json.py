"""The json protocol, 1.0 and 1.1: the operation in X-Amz-Target, one document each way."""

from wildsage.aws.model import Service
from wildsage.aws.protocols.base import Call, UnknownOperationError
from wildsage.aws.protocols.json_codec import JsonCodec
from wildsage.aws.protocols.rpc import RpcProtocol


class JsonProtocol(RpcProtocol):
    """SageMaker, CloudWatch Logs and most of AWS's older control planes.

    The two versions differ in the content type alone: a request may have either, and is answered in the
    service's own.
    """

    def __init__(self, service: Service) -> None:
        version = service.metadata.get("jsonVersion", "1.1")
        super().__init__(service, JsonCodec(), f"application/x-amz-json-{version}", "application/json")

    async def find_operation(self, call: Call) -> str:
        """Read the operation off the X-Amz-Target header, ``SageMaker.CreateTrainingJob``."""
        target = call.request.headers.get("x-amz-target")
        prefix, _, name = target.rpartition(".")
        if not name or prefix != self.service.metadata.get("targetPrefix"):
            raise UnknownOperationError(
                f"{target!r} in the X-Amz-Target header is no operation of {self.service.full_name}"
            )
        return name
