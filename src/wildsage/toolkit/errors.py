"""How a container ends when it cannot go on.

ContainerError     exit code and the class of the FailureReason
├── UserError      the user's data or settings: exit 2, ``ClientError``
├── AlgorithmError the algorithm could not do it: exit 1, ``AlgorithmError``
└── PlatformError  Wildsage's own fault: exit 3, ``InternalServerError``

The container writes the bare message to ``/opt/ml/output/failure``; the platform puts the class before it and
the exit code behind it (``ClientError: …, exit code: 2``), as on AWS.
"""

from collections.abc import Mapping
from typing import Final

FAILURE_CLASSES: Final[Mapping[int, str]] = {1: "AlgorithmError", 2: "ClientError", 3: "InternalServerError"}
"""Class of the FailureReason by exit code. Holds for the built-in algorithms only."""

LONGEST_FAILURE = 1024
"""Characters of the failure file that reach FailureReason."""


class ContainerError(Exception):
    """Ends the container with its class's exit code."""

    exit_code = 1


class UserError(ContainerError):
    """The user can mend it: value seen, rule, what to do."""

    exit_code = 2


class AlgorithmError(ContainerError):
    """The algorithm failed although its input is right."""

    exit_code = 1


class PlatformError(ContainerError):
    """The contract between platform and container is broken."""

    exit_code = 3


def failure_text(error: BaseException) -> str:
    """Describe an error as the built-in algorithms do: message, the class that caused it, its text.

    >>> failure_text(UserError("Failed to validate hyperparameters."))
    'Failed to validate hyperparameters.'
    """
    cause = error.__cause__
    message = str(error) or type(error).__name__
    if cause is None:
        return message
    return f"{message} (caused by {type(cause).__name__})\n\nCaused by: {cause}"


SPARK_FAILED = "smspark-submit: "
"""How the lines begin in which Spark's launcher says what failed."""
