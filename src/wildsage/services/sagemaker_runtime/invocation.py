"""InvokeEndpoint: the short way from the wire to a worker. No SQL, no disk: the router's snapshot decides."""

from collections.abc import Callable

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError
from wildsage.core.instruments import Instruments
from wildsage.core.streams import ByteStream
from wildsage.hosting.client import BadReplyError, CallError, CallTimeoutError, NotConnectedError, Reply
from wildsage.services.operation import Request, Response, operation
from wildsage.serving.router import (
    EndpointNotFoundError,
    NoCapacityError,
    RouteKey,
    Router,
    VariantNotFoundError,
)
from wildsage.serving.worker import LARGEST_PAYLOAD

_ATTEMPTS = 5
_LONGEST_ORIGINAL_MESSAGE = 65_536
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_FORWARDED = (
    ("ContentType", "Content-Type"),
    ("Accept", "Accept"),
    ("CustomAttributes", _CUSTOM_ATTRIBUTES),
    ("InferenceId", "X-Amzn-SageMaker-Inference-Id"),
)
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency"
    " metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


Count = Callable[[tuple[str, str, str, str], int, float, float], None]
"""Told of each call of a model, as `wildsage.serving.invocation_metrics.InvocationMetrics.count`."""


class Invocations:
    """Calls of endpoints in service."""

    def __init__(
        self, router: Router, instruments: Instruments | None = None, count: Count = lambda *_: None
    ) -> None:
        self._router = router
        self._count = count
        self._latency = (instruments or Instruments()).histogram(
            "wildsage_model_latency_seconds",
            "From sending an invocation to a worker to having read its answer.",
            ("account", "region", "endpoint", "variant"),
        )

    @operation("InvokeEndpoint")
    async def invoke(self, context: RequestContext, request: Request) -> Response:
        """Pass a request to a worker of the endpoint, and its answer back."""
        arrived = context.clock.monotonic()
        headers = _headers(request)
        body = await _payload(request["Body"])
        name = request["EndpointName"]
        variant, reply = await self._call(context, name, request.get("TargetVariant"), body, headers, arrived)
        if not 200 <= reply.status < 300:
            raise _model_refused(context, name, reply)
        return {
            "Body": reply.body,
            "ContentType": reply.headers.get("content-type"),
            "InvokedProductionVariant": variant,
            "CustomAttributes": reply.headers.get(_CUSTOM_ATTRIBUTES.lower()),
        }

    def forget_gone(self) -> None:
        """Count no more for variants that are not served any more. In the event loop's thread."""
        routes = self._router.routes
        served = {(*key, variant.name) for key, route in routes.items() for variant in route.variants}
        self._latency.keep(served.__contains__)

    async def _call(
        self,
        context: RequestContext,
        name: str,
        wanted: str | None,
        body: bytes,
        headers: list[tuple[str, str]],
        arrived: float,
    ) -> tuple[str, Reply]:
        """Call the least busy worker. Only a request that was certainly not sent goes to another one."""
        key = RouteKey(context.account, context.region, name)
        for _ in range(_ATTEMPTS):
            try:
                variant, target = await self._router.choose(key, wanted)
            except EndpointNotFoundError:
                raise _validation_error(f"Endpoint {name} of account {context.account} not found.") from None
            except VariantNotFoundError as error:
                raise _validation_error(
                    f"Variant {wanted} of endpoint {name} not found: it has {', '.join(error.names)}"
                ) from None
            except NoCapacityError as error:
                raise _unavailable(name, str(error)) from None
            began = context.clock.monotonic()
            try:
                reply = await target.invoke(body, headers)
            except NotConnectedError:
                target.doubt()
            except CallError as error:
                target.doubt()
                self._count((*key, variant), 0, context.clock.monotonic() - began, began - arrived)
                raise _no_answer(context, name, error) from None
            else:
                place, took = (*key, variant), context.clock.monotonic() - began
                self._latency.observe(place, took)
                self._count(place, reply.status, took, began - arrived)
                return variant, reply
        raise _unavailable(name, f"{_ATTEMPTS} workers could not be reached")


def _headers(request: Request) -> list[tuple[str, str]]:
    headers = []
    for member, header in _FORWARDED:
        value = request.get(member)
        if value is None:
            continue
        if not value.isascii() or "\r" in value or "\n" in value or "\0" in value:
            raise _validation_error(f"{member} {value!r} must be one line of ASCII characters")
        headers.append((header, value))
    return headers


async def _payload(body: bytes | ByteStream) -> bytes:
    try:
        content = body if isinstance(body, bytes) else await body.read(LARGEST_PAYLOAD)
    except ValueError:
        raise _too_large() from None
    if len(content) > LARGEST_PAYLOAD:
        raise _too_large()
    return content


def _model_refused(context: RequestContext, name: str, reply: Reply) -> ServiceError:
    """The container answered with an error: the caller sees it as ``ModelError``."""
    side = "client" if 400 <= reply.status < 500 else "server"
    original = reply.body[:_LONGEST_ORIGINAL_MESSAGE].decode("utf-8", "replace")
    text = f'Received {side} error ({reply.status}) from primary with message "{original}".'
    return _model_error(context, name, text, reply.status, original)


def _no_answer(context: RequestContext, name: str, error: CallError) -> ServiceError:
    if isinstance(error, CallTimeoutError):
        text = f'Received server error (0) from primary with message "{_TIMED_OUT}".'
        return _model_error(context, name, text, 0, _TIMED_OUT)
    if isinstance(error, BadReplyError):
        # AWS's words; what was wrong with the body is in the original message.
        text = "Received server error (500) from primary and could not load the entire response body."
        return _model_error(context, name, text, 500, str(error))
    text = f'Received server error (0) from primary with message "{error}".'
    return _model_error(context, name, text, 0, str(error))


def _model_error(context: RequestContext, name: str, text: str, status: int, original: str) -> ServiceError:
    group = f"/aws/sagemaker/Endpoints/{name}"
    where = (
        f"https://{context.region}.console.aws.amazon.com/cloudwatch/home"
        f"?region={context.region}#logEventViewer:group={group}"
    )
    return ServiceError(
        f"{text} See {where} in account {context.account} for more information.",
        code="ModelError",
        status=424,
        members={
            "OriginalStatusCode": status,
            "OriginalMessage": original,
            "LogStreamArn": str(
                Arn(context.partition, "logs", context.region, context.account, f"log-group:{group}")
            ),
        },
    )


def _validation_error(message: str) -> ServiceError:
    # The runtime calls it ValidationError, the control plane ValidationException.
    return ServiceError(message, code="ValidationError", status=400)


def _too_large() -> ServiceError:
    return ServiceError(
        f"HTTP content length exceeded {LARGEST_PAYLOAD} bytes.",
        code="413",  # AWS names none, and clients show the status
        status=413,
    )


def _unavailable(name: str, why: str) -> ServiceError:
    return ServiceError(
        f"Endpoint {name} cannot answer now: {why}. Try again", code="ServiceUnavailable", status=503
    )
