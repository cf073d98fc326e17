"""What the resources of CloudWatch share: errors, tokens, ARNs."""

from collections.abc import Mapping
from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError, ValidationError
from wildsage.core.pagination import decode_token, encode_token
from wildsage.services.operation import Request

_PAGE_MEMBERS = frozenset({"NextToken", "MaxRecords", "MaxDatapoints"})


def invalid_value(message: str) -> ServiceError:
    """Return the error of a member that breaks a rule by itself."""
    return ServiceError(message, code="InvalidParameterValue", status=400)


def invalid_combination(message: str) -> ServiceError:
    """Return the error of members that contradict each other."""
    return ServiceError(message, code="InvalidParameterCombination", status=400)


def missing(message: str) -> ServiceError:
    """Return the error of a member that is needed and is not there."""
    return ServiceError(message, code="MissingParameter", status=400)


def invalid(message: str) -> ValidationError:
    """Return the error of a rule that has no code of its own."""
    return ValidationError(message, code="ValidationError")


def not_found(message: str) -> NotFoundError:
    """Return the error of an alarm that is not there."""
    return NotFoundError(message, code="ResourceNotFound", status=404)


def alarm_arn(context: RequestContext, name: str) -> str:
    """Build the ARN of an alarm."""
    return str(Arn(context.partition, "cloudwatch", context.region, context.account, f"alarm:{name}"))


def dimension_pairs(raw: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the dimensions of a request.

    Raises
    ------
    ServiceError
        If a name stands there twice.
    """
    pairs = [(item["Name"], item["Value"]) for item in raw]
    if len({name for name, _ in pairs}) < len(pairs):
        raise invalid_value("No metric may specify the same dimension name twice.")
    return pairs


def read_token(request: Request, length: int) -> list[Any] | None:
    """Return the position in a request's ``NextToken``; None where it has none.

    Raises
    ------
    ServiceError
        If the token was not made for this request.
    """
    try:
        return decode_token({**_filters(request), "NextToken": request.get("NextToken")}, length)
    except ValidationError as error:
        raise ServiceError(error.message, code="InvalidNextToken", status=400) from None


def write_token(request: Request, position: list[Any]) -> str:
    """Return the token that continues a request behind `position`."""
    return encode_token(_filters(request), position)


def _filters(request: Request) -> Request:
    return {name: value for name, value in request.items() if name not in _PAGE_MEMBERS}
