"""What the resources of CloudWatch Logs share: errors, ARNs, how a group is named, pages."""

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ResourceInUseError, ValidationError
from wildsage.services.operation import Request
from wildsage.services.pages import Pages
from wildsage.store.log_groups import GroupNotFoundError, LogGroup
from wildsage.store.logs import LogStream, LogStreams, StreamNotFoundError


def invalid_parameter(message: str) -> ValidationError:
    """Return the error of a request that breaks a rule."""
    return ValidationError(message, code="InvalidParameterException")


PAGES = Pages("nextToken", "limit", 50, error=invalid_parameter)


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


def milliseconds(epoch_seconds: float) -> int:
    """Return a time as CloudWatch Logs writes it."""
    return round(epoch_seconds * 1000)
