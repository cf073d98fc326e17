"""The errors of IAM, with AWS's codes and texts."""

from wildsage.core.errors import NotFoundError, ServiceError, ValidationError
from wildsage.core.policy import PolicyError


def no_such_role(name: str) -> NotFoundError:
    """Return the error of a role that is not there."""
    return _no_such_entity(f"The role with name {name} cannot be found.")


def no_such_policy(arn: str) -> NotFoundError:
    """Return the error of a policy that is not there."""
    return _no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def no_such_version(arn: str, version: str) -> NotFoundError:
    """Return the error of a version that a policy has not."""
    return _no_such_entity(f"Policy {arn} version {version} does not exist or is not attachable.")


def no_such_inline_policy(role: str, name: str) -> NotFoundError:
    """Return the error of an inline policy that a role has not."""
    return _no_such_entity(f"The role policy with name {name} cannot be found (role {role}).")


def no_such_attachment(arn: str) -> NotFoundError:
    """Return the error of a policy that is not attached."""
    return _no_such_entity(f"Policy {arn} was not found: it is not attached to this role.")


def no_such_user(name: str) -> NotFoundError:
    """Return the error of a user that is not there."""
    return _no_such_entity(f"The user with name {name} cannot be found.")


def _no_such_entity(message: str) -> NotFoundError:
    return NotFoundError(message, code="NoSuchEntity", status=404)


def already_exists(message: str) -> ServiceError:
    """Return the error of a name that is taken."""
    return ServiceError(message, code="EntityAlreadyExists", status=409)


def delete_conflict(message: str) -> ServiceError:
    """Return the error of deleting what is still in use."""
    return ServiceError(message, code="DeleteConflict", status=409)


def limit_exceeded(message: str) -> ServiceError:
    """Return the error of a quota."""
    return ServiceError(message, code="LimitExceeded", status=409)


def malformed(error: PolicyError) -> ServiceError:
    """Return the error of a document that breaks the grammar."""
    return ServiceError(str(error), code="MalformedPolicyDocument", status=400)


def invalid_input(message: str) -> ServiceError:
    """Return the error of a value that has the right form and no sense."""
    return ServiceError(message, code="InvalidInput", status=400)


def validation_error(message: str) -> ValidationError:
    """Return the error of a request that breaks a rule; IAM's code is ``ValidationError``."""
    return ValidationError(message, code="ValidationError")
