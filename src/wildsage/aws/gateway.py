"""The gateway: from the bytes of a request, through a list of steps, to the bytes of its response."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from wildsage.aws.browsers import Browsers
from wildsage.aws.caller import Caller
from wildsage.aws.form_upload import Upload
from wildsage.aws.head import Heads
from wildsage.aws.http import ClientDisconnectedError, HttpRequest, HttpResponse
from wildsage.aws.identify import Host, Identifier, host_of
from wildsage.aws.model import Catalogue, Operation, Service
from wildsage.aws.protocols.base import Call, UnknownOperationError, internal_failure
from wildsage.aws.refusals import dialect_of, wrong_scope
from wildsage.aws.request_log import RequestLog
from wildsage.aws.texts import load
from wildsage.aws.validation import Validator
from wildsage.core.arns import partition_of
from wildsage.core.clock import Clock
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotImplementedOperationError, ServiceError
from wildsage.core.instruments import Instruments
from wildsage.services import members
from wildsage.services.operation import Handler, Request
from wildsage.store.disk_trouble import disk_trouble

Authenticate = Callable[[HttpRequest], Awaitable[Caller]]
Authorize = Callable[[RequestContext, str, str, Request], None]
InternalHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]

_INTERNAL_PATHS = "/_wildsage/"
_GLOBAL_REGION = "us-east-1"
_logger = logging.getLogger(__name__)


class Gateway:
    """What answers requests: it speaks AWS.

    Parameters
    ----------
    handlers
        By botocore's service name (``sagemaker``, ``s3``, …), then by operation.
    authenticate
        Verifies the signature of a request and says who made it. May replace the request's body by a
        stream that verifies itself. Raises `ServiceError` with AWS's codes.
    authorize
        Given service, operation and request, raises `AccessDeniedError` unless the caller may do that.
    internal
        What is no AWS service: plain handlers by path prefix, below ``/_wildsage/``; and some by a path of
        their own, for unsigned GETs (``/metrics``: anything signed there is S3's). They authenticate on
        their own where they need to.
    instruments
        Where requests are counted.
    browsers
        What S3 grants to web pages: forms that upload, and answers to other origins.
    """

    def __init__(
        self,
        handlers: Mapping[str, Mapping[str, Handler]],
        authenticate: Authenticate,
        authorize: Authorize,
        internal: Mapping[str, InternalHandler],
        clock: Clock,
        instruments: Instruments | None = None,
        browsers: Browsers | None = None,
    ) -> None:
        self._handlers = handlers
        self._authenticate = authenticate
        self._authorize = authorize
        self._internal = internal
        self._clock = clock
        self._catalogue = Catalogue()
        self._identifier = Identifier(self._catalogue)
        self._validators: dict[str, Validator] = {}
        self._browsers = browsers
        self._heads = Heads()
        self._random = Random()  # noqa: S311 - request ids are unique, and guard nothing
        self._log = RequestLog(instruments or Instruments(), clock)

    def warm(self) -> None:
        """Read the models of all services that answer here, so that no request waits for them. For a thread."""
        for name in self._handlers:
            service = self._catalogue.service(name)
            if service is not None:
                self._identifier.warm(service)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, an error included."""
        if request.path.startswith(_INTERNAL_PATHS) or (
            request.path in self._internal and _is_plain_question(request)
        ):
            return await self._answer_internal(request)
        began = self._log.begin()
        call: Call | None = None
        request_id = _request_id(self._random.getrandbits(128))
        request.head = self._heads.of(request)
        code = ""
        try:
            # First of all, because an error has the shape of its service's protocol.
            call = self._identifier.identify(request)
            if self._browsers is None or call.service.name != "s3":
                response = await self._serve(call, request_id)
            else:
                response = await self._serve_browsers(self._browsers, call, request_id)
        except ClientDisconnectedError:
            raise
        except ServiceError as error:
            code = error.code
            call = call or self._identifier.unknown(request)
            response = call.protocol.serialize_error(error, call, request_id)
        except Exception as error:  # the boundary: a fault of ours is logged in full and told in brief
            call = call or self._identifier.unknown(request)
            _logger.exception("%s failed, request id %s", call, request_id)
            failure = disk_trouble(error) or internal_failure(request_id)
            code = failure.code
            response = call.protocol.serialize_error(failure, call, request_id)
        if self._browsers is not None and call.service.name == "s3":
            self._browsers.origins.allow(call, response)
        self._log.end(call, request_id, response.status, code, began)
        response.headers.append(("server", "Wildsage"))
        return response

    async def _serve_browsers(self, browsers: Browsers, call: Call, request_id: str) -> HttpResponse:
        """Serve what only web pages ask of S3, and everything else as it is."""
        if call.request.method == "OPTIONS":
            return browsers.origins.preflight(call, request_id)
        upload = await browsers.forms.accept(call)
        response = await self._serve(call, request_id, upload)
        return response if upload is None else upload.answer(response)

    async def _serve(self, call: Call, request_id: str, upload: Upload | None = None) -> HttpResponse:
        # Whether its body can be taken at all: a signature is verified over the whole of it.
        call.protocol.check_length(call)
        # Who asks, before anything of the body is parsed or anything is told about what exists here.
        caller = await self._authenticate(call.request) if upload is None else upload.caller
        context = self._context(call, caller, request_id)
        # What is asked. Before parsing: a clear "not implemented" beats an error about a member.
        operation, handler = await self._target(call)
        # Types, as the protocol knows them; then rules, as the model states them.
        request = await call.protocol.parse(call, operation)
        validator = self._validator(call.service)
        head = call.request.head
        validator.validate(operation, request, only_body=head is not None and head.is_valid)
        # Whether the caller may do this with the resources it names, whether they are there or not.
        self._authorize(context, call.service.name, operation.name, request)
        if head is not None:
            head.is_valid = True
        # Members that are right by AWS's model, and that this server cannot honour.
        members.refuse(call.service.name, operation.name, request, validator.code)
        response = await handler(context, request)
        return call.protocol.serialize(operation, response, request_id)

    async def _target(self, call: Call) -> tuple[Operation, Handler]:
        head = call.request.head
        if head is not None and head.handler is not None:
            call.operation = head.handler[0]
            return head.handler
        call.operation = await self._operation(call)
        found = call.operation, self._handler(call, call.operation)
        if head is not None and call.protocol.names_operation_in_head:
            head.handler = found
        return found

    async def _operation(self, call: Call) -> Operation:
        name = await call.protocol.find_operation(call)
        operation = call.service.operation(name)
        if operation is None:
            raise UnknownOperationError(f"{call.service.full_name} has no operation {name[:128]!r}")
        return operation

    def _handler(self, call: Call, operation: Operation) -> Handler:
        handler = self._handlers.get(call.service.name, {}).get(operation.name)
        if handler is None:
            raise NotImplementedOperationError(
                f"{operation.name} of {call.service.full_name} ({call.service.name}) is not implemented yet"
                " in Wildsage"
            )
        return handler

    def _validator(self, service: Service) -> Validator:
        validator = self._validators.get(service.name)
        if validator is None:
            validator = self._validators[service.name] = Validator(service)
        return validator

    def _context(self, call: Call, caller: Caller, request_id: str) -> RequestContext:
        call.account = caller.account
        region = call.region = self._region(call, caller)
        return RequestContext(
            account=caller.account,
            region=region,
            partition=partition_of(region),
            principal_arn=caller.principal_arn,
            request_id=request_id,
            clock=self._clock,
            endpoint_url=f"{call.request.scheme}://{call.request.headers.get('host')}",
        )

    def _region(self, call: Call, caller: Caller) -> str:
        region = caller.region or host_of(call.request).region or _GLOBAL_REGION
        if call.service.name in load("services.toml")["partition_wide"]["services"]:
            region = self._catalogue.pseudo_regions.get(region, region)
        if region not in self._catalogue.regions:
            dialect = dialect_of(call.request, caller.signing_name)
            raise wrong_scope(
                dialect, f"Credential should be scoped to a valid region, not {region[:64]!r}. "
            )
        return region

    async def _answer_internal(self, request: HttpRequest) -> HttpResponse:
        prefixes = [p for p in self._internal if request.path == p or request.path.startswith(f"{p}/")]
        if not prefixes:
            return HttpResponse(404, [("content-type", "text/plain")], b"There is nothing at this path.\n")
        try:
            return await self._internal[max(prefixes, key=len)](request)
        except ClientDisconnectedError:
            raise
        except Exception:
            _logger.exception("%s %s failed", request.method, request.path)
            return HttpResponse(
                500, [("content-type", "text/plain")], b"Internal error: see the server's log.\n"
            )


def _request_id(bits: int) -> str:
    """Return random bits as a UUID of version 4, in a fifth of the time that the standard library takes."""
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[bits & 3]}{digits[17:20]}-{digits[20:]}"


def _is_plain_question(request: HttpRequest) -> bool:
    """Tell a scraper or a load balancer from a client of S3, whose bucket may have the same name."""
    return (
        request.method in ("GET", "HEAD")
        and not request.query_string
        and "authorization" not in request.headers
        and host_of(request) == Host()
    )
