"""Errors that cross the wire.

ServiceError                     any error an AWS client sees: code, message, HTTP status
├── ValidationError              the request breaks a rule (``ValidationException``)
├── NotFoundError                the resource is not there (code and text differ per service)
├── ResourceInUseError           a name is taken, or the resource is busy (``ResourceInUse``)
├── ResourceLimitExceededError   an account limit (``ResourceLimitExceeded``)
├── AccessDeniedError            the caller or the role may not (``AccessDeniedException``)
└── NotImplementedOperationError the operation is not built yet: a 4xx, because clients retry 5xx
"""

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An error answered to a client in the shape of its protocol.

    Parameters
    ----------
    code
        The error code of the service model, e.g. ``ResourceInUse``.
    message
        What was seen, the rule, and what to do about it.
    status
        HTTP status. 4xx unless the fault is Wildsage's own: clients retry 5xx.
    members
        Further members of the modelled error structure, by their wire names.
    """

    code = "InternalFailure"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.members: Mapping[str, Any] = members or {}


class ValidationError(ServiceError):
    """The request breaks a rule; nothing was stored."""

    code = "ValidationException"
    status = 400


class NotFoundError(ServiceError):
    """The resource does not exist. Services pass the code and text that AWS uses for it."""

    code = "ResourceNotFound"
    status = 400


class ResourceInUseError(ServiceError):
    """The name is taken, or the resource is in a state that forbids the operation."""

    code = "ResourceInUse"
    status = 400


class ResourceLimitExceededError(ServiceError):
    """An account limit would be exceeded."""

    code = "ResourceLimitExceeded"
    status = 400


class AccessDeniedError(ServiceError):
    """The principal is not allowed to perform the action on the resource."""

    code = "AccessDeniedException"
    status = 403


class NotImplementedOperationError(ServiceError):
    """The operation exists in AWS's model but not (yet) here."""

    code = "NotImplementedException"
    status = 400
