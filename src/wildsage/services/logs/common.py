"""What the resources of CloudWatch Logs share: errors, ARNs, how a group is named, pages."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ResourceInUseError, ValidationError
from wildsage.core.pagination import decode_token, encode_token
from wildsage.services.operation import Request, Response
from wildsage.store.log_groups import GroupNotFoundError, LogGroup
from wildsage.store.logs import LogStream, LogStreams, StreamNotFoundError

T = TypeVar("T")

DEFAULT_PAGE = 50
_PAGE_MEMBERS = frozenset({"nextToken", "limit"})


def invalid_parameter(message: str) -> ValidationError:
    """Return the error of a request that breaks a rule."""
    return ValidationError(message, code="InvalidParameterException")


def already_exists(what: str) -> ResourceInUseError:
    """Return the error of a Create whose name is taken."""
    return ResourceInUseError(
        f"The specified {what} already exists", code="ResourceAlreadyExistsException", status=400
    )


def group_not_found() -> NotFoundError:
    """Return the error of a group that is not there. Clients compare its code."""
    return NotFoundError("The specified log group does not exist.", code="ResourceNotFoundException")


def stream_not_found() -> NotFoundError:
    """Return the error of a stream that is not there."""
    return NotFoundError("The specified log stream does not exist.", code="ResourceNotFoundException")


def group_arn(context: RequestContext, name: str) -> str:
    """Build the ARN of a group, without the ``:*`` behind it that policies use."""
    return str(Arn(context.partition, "logs", context.region, context.account, f"log-group:{name}"))


def find_group(logs: LogStreams, context: RequestContext, name: str) -> LogGroup:
    """Return a group of the caller's account and region.

    Raises
    ------
    NotFoundError
        If there is none of this name.
    """
    try:
        return logs.group(context.account, context.region, name)
    except GroupNotFoundError:
        raise group_not_found() from None


def find_stream(logs: LogStreams, group: LogGroup, name: str) -> LogStream:
    """Return a stream of a group.

    Raises
    ------
    NotFoundError
        If there is none of this name.
    """
    try:
        return logs.stream(group, name)
    except StreamNotFoundError:
        raise stream_not_found() from None


def requested_group(logs: LogStreams, context: RequestContext, request: Request) -> LogGroup:
    """Return the group that ``logGroupName`` or ``logGroupIdentifier`` means.

    Raises
    ------
    ValidationError
        If none or both are given.
    NotFoundError
        If the group does not exist, here or at all.
    """
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name and identifier:
        raise invalid_parameter("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if not name and not identifier:
        raise invalid_parameter("Provide logGroupName or logGroupIdentifier.")
    return find_group(logs, context, name or name_of(context, identifier or ""))


def name_of(context: RequestContext, identifier: str) -> str:
    """Return the name of a group from its name or ARN.

    Raises
    ------
    NotFoundError
        If the ARN is of another account or region, or of no log group.
    """
    if not identifier.startswith("arn:"):
        return identifier
    prefix = group_arn(context, "")
    if not identifier.startswith(prefix):
        raise group_not_found()
    return identifier.removeprefix(prefix).removesuffix(":*")


def page(
    request: Request,
    member: str,
    items: Iterable[T],
    *,
    position: Callable[[T], list[Any]],
    show: Callable[[T], dict[str, Any]],
    descending: bool = False,
) -> Response:
    """Answer a Describe operation; ``nextToken`` only where there is more.

    SDK v2 repeats its request without the token for as long as the answer has one.

    Parameters
    ----------
    items
        All of them, in any order.
    position
        The values by which they are ordered, different for each: a page continues behind them, so what was
        added or removed meanwhile shifts nothing.
    """
    after = read_token(request)
    ordered = sorted(items, key=position, reverse=descending)
    if after is not None:
        ordered = [
            item for item in ordered if (position(item) < after if descending else position(item) > after)
        ]
    limit = request.get("limit", DEFAULT_PAGE)
    response: Response = {member: [show(item) for item in ordered[:limit]]}
    if len(ordered) > limit:
        response["nextToken"] = write_token(request, position(ordered[limit - 1]))
    return response


def read_token(request: Request) -> list[Any] | None:
    """Return the position in a request's ``nextToken``; None where it has none.

    Raises
    ------
    ValidationError
        If the token was not made for this request.
    """
    try:
        return decode_token({**_filters(request), "NextToken": request.get("nextToken")})
    except ValidationError:
        raise invalid_parameter(
            "The specified nextToken is invalid: pass the token of the previous page, with the same parameters"
        ) from None


def write_token(request: Request, position: list[Any]) -> str:
    """Return the token that continues a request behind `position`."""
    return encode_token(_filters(request), position)


def _filters(request: Request) -> Request:
    return {name: value for name, value in request.items() if name not in _PAGE_MEMBERS}


def milliseconds(epoch_seconds: float) -> int:
    """Return a time as CloudWatch Logs writes it."""
    return round(epoch_seconds * 1000)
