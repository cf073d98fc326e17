"""What the resources of ECR share: kinds, ARNs, errors, pages."""

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import ServiceError, ValidationError
from wildsage.services.operation import Request
from wildsage.services.pages import Pages

REPOSITORY = "ecr-repository"
IMAGE = "ecr-image"
"""Kinds of resources. The name of an image is ``REPOSITORY@DIGEST``."""

INVALID = "InvalidParameterException"


def ecr_error(code: str, message: str) -> ServiceError:
    """Return an error with one of ECR's codes."""
    return ServiceError(message, code=code, status=400)


def invalid(message: str) -> ValidationError:
    """Return the error of a request that breaks a rule."""
    return ValidationError(message, code=INVALID)


PAGES = Pages("nextToken", "maxResults", 100, 1000, error=invalid)


def registry_of(context: RequestContext, request: Request) -> str:
    """Return the account whose registry a request is about."""
    registry: str = request.get("registryId", context.account)
    return registry


def within(name: str, registry: str) -> str:
    """Say which repository, as ECR's errors do."""
    return f"the repository with name '{name}' in the registry with id '{registry}'"


def repository_arn(context: RequestContext, registry: str, name: str) -> str:
    """Build the ARN of a repository."""
    return str(Arn(context.partition, "ecr", context.region, registry, f"repository/{name}"))
