"""What the resources of CloudWatch share: errors, tokens, ARNs."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError, ValidationError
from wildsage.services.pages import Pages

invalid_token = partial(ServiceError, code="InvalidNextToken", status=400)

PAGES = Pages("NextToken", "MaxRecords", 100, error=invalid_token)


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
